"""Persona and prompt become the system prompt. The only room that knows Jinja."""
