"""Every page, one line a module."""

from app.console import compare, playground, policies, turn, welcome
from app.console.visit import Page

PAGES: tuple[Page, ...] = (
    *welcome.PAGES,
    *playground.PAGES,
    *compare.PAGES,
    *policies.PAGES,
    *turn.PAGES,
)
"""The framework tries them in this order."""
