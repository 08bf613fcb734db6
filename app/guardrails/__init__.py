"""Text to decisions."""
