"""The nouns: types and protocols that every room shares. Imports nothing of ours."""
