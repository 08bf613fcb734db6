"""One module for each thing that a change can be about."""
