"""Endpoints with their provider protocols: conversation to events."""
