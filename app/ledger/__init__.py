"""Records, keys, usage and pseudonyms, on disk."""
