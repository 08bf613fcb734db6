"""Every page, one line a module."""

from app.console import compare, compose, playground, record, records, review, turn, welcome
from app.console.visit import Page

PAGES: tuple[Page, ...] = (
    *welcome.PAGES,
    *playground.PAGES,
    *compare.PAGES,
    *turn.PAGES,
    *compose.PAGES,
    *records.PAGES,
    *record.PAGES,
    *review.PAGES,
)
"""The framework tries them in this order."""
