"""Which files of a project a draft or a patch may change."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from app.catalog.files import CONTENT_FOLDERS

_MOST_CHARS = 200
_ENDINGS = (".yaml", ".j2", ".md", ".txt")


def editable(name: str) -> str:
    """Why a file may not be changed so, with its name and a remedy; empty where it may."""
    return next(_reasons(name), "")


def _reasons(name: str) -> Iterator[str]:
    shown = "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in name[:_MOST_CHARS])
    parts = name.split("/")
    if not name or len(name) > _MOST_CHARS:
        yield f"'{shown}' is no name of a file"
    if not name.isprintable() or "\\" in name:
        yield f"'{shown}' has a character that no file's name may have here"
    if name.startswith("/") or name[1:2] == ":":
        yield f"{shown}: is an absolute name; name the file from the project's folder"
    if any(part in {"", ".", ".."} for part in parts):
        yield f"{shown}: leads elsewhere; name the file from the project's folder, without '..'"
    if any(part.startswith(".") for part in parts):
        yield f"{shown}: is hidden, and no catalog reads it"
    if len(parts) == 1 or parts[0] not in CONTENT_FOLDERS:
        folders = ", ".join(f"{folder}/" for folder in CONTENT_FOLDERS)
        yield f"{shown}: is outside the folders that can be changed here ({folders})"
    if PurePosixPath(name).suffix not in _ENDINGS:
        yield f"{shown}: is no text that a catalog reads ({', '.join(_ENDINGS)})"
