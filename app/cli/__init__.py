"""The command line: one module a command group. Each imports what it needs when it runs."""

from app.cli.app import main

__all__ = ["main"]
