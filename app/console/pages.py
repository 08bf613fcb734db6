"""Every page, one line a module."""

from app.console import overview, policies, record, records
from app.console.visit import Page

PAGES: tuple[Page, ...] = (
    *overview.PAGES,
    *policies.PAGES,
    *records.PAGES,
    *record.PAGES,
)
"""The framework tries them in this order."""
