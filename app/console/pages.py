"""Every page, one line a module."""

from app.console import compare, gallery, playground, policies, turn, welcome
from app.console.visit import Page

PAGES: tuple[Page, ...] = (
    *welcome.PAGES,
    *playground.PAGES,
    *compare.PAGES,
    *policies.PAGES,
    *gallery.PAGES,
    *turn.PAGES,
)
"""The framework tries them in this order."""
