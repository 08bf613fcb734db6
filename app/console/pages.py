"""Every page, one line a module."""

from app.console import compose, review, welcome
from app.console.visit import Page

PAGES: tuple[Page, ...] = (
    *welcome.PAGES,
    *compose.PAGES,
    *review.PAGES,
)
"""The framework tries them in this order."""
