"""Every page, one line a module."""

from app.console import compare, compose, playground, review, turn, welcome
from app.console.visit import Page

PAGES: tuple[Page, ...] = (
    *welcome.PAGES,
    *playground.PAGES,
    *compare.PAGES,
    *turn.PAGES,
    *compose.PAGES,
    *review.PAGES,
)
"""The framework tries them in this order."""
