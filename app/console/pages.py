"""Every page, one line a module."""

from app.console import policies, welcome
from app.console.visit import Page

PAGES: tuple[Page, ...] = (*welcome.PAGES, *policies.PAGES)
"""The framework tries them in this order."""
