"""Persona and prompt to one system prompt."""
