"""What is asked and changes nothing."""
