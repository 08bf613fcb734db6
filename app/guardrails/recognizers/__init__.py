"""How personal data looks and how its numbers are checked; imported by the pii detector alone."""
