"""Every page, one line a module."""

from app.console import compose, welcome
from app.console.visit import Page

PAGES: tuple[Page, ...] = (
    *welcome.PAGES,
    *compose.PAGES,
)
"""The framework tries them in this order."""
