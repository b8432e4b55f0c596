"""What is told on the event bus."""
