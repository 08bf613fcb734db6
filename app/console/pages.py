"""Every page, one line a module."""

from app.console import welcome
from app.console.visit import Page

PAGES: tuple[Page, ...] = (*welcome.PAGES,)
"""The framework tries them in this order."""
