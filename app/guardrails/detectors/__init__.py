"""One module a detector; none knows another."""
