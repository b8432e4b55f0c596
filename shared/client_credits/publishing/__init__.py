"""What is published on the event bus."""
