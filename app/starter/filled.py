"""Files to fill in: what stands as ``@{name}`` in one of ``files/`` is replaced, once."""

from importlib.resources import files
from string import Template
from typing import ClassVar


class _Text(Template):
    delimiter: ClassVar[str] = "@"


def filled_in(file: str, /, **values: str) -> str:
    """A file's text with values in place of their names."""
    text = files("app.starter").joinpath("files", f"{file}.txt").read_text("utf-8")
    return _Text(text).substitute(values)
