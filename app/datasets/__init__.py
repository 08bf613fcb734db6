"""Data sets for training, made of records and feedback."""
