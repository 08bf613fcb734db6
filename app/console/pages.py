"""Every page, one line a module."""

from app.console import record, records, welcome
from app.console.visit import Page

PAGES: tuple[Page, ...] = (
    *welcome.PAGES,
    *records.PAGES,
    *record.PAGES,
)
"""The framework tries them in this order."""
