"""``python -m app`` is ``banneton``."""

from app.cli import main

main()
