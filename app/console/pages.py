"""Every page, one line a module."""

from app.console import (
    compare,
    compose,
    gallery,
    overview,
    playground,
    policies,
    record,
    records,
    review,
    turn,
)
from app.console.visit import Page

PAGES: tuple[Page, ...] = (
    *overview.PAGES,
    *playground.PAGES,
    *compare.PAGES,
    *turn.PAGES,
    *compose.PAGES,
    *policies.PAGES,
    *gallery.PAGES,
    *records.PAGES,
    *record.PAGES,
    *review.PAGES,
)
"""The framework tries them in this order."""
