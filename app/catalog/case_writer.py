"""Adds a case to a policy's file of cases, for review like any other change."""

import json
from collections.abc import Mapping
from pathlib import Path

from app.catalog.cases import read_cases
from app.catalog.files import CASES_SUFFIX
from app.domain.catalog import Catalog
from app.domain.decision import Outcome
from app.domain.errors import ContentError

_HEAD = "# yaml-language-server: $schema=../schemas/cases.schema.json\ncases:\n"


def add_case(
    root: Path,
    catalog: Catalog,
    policy: str,
    *,
    name: str,
    text: str,
    expect: Mapping[str, Outcome],
) -> Path:
    """Write a case to the end of ``policies/<policy>.cases.yaml``; gives that path.

    Raises:
        ContentError: The file would not be right any more; it is left as it was.
    """
    path = root / "policies" / f"{policy}{CASES_SUFFIX}"
    old = path.read_text("utf-8") if path.exists() else None
    before = _HEAD if old is None else old.rstrip("\n") + "\n"
    wanted = ", ".join(f"{audience}: {outcome}" for audience, outcome in expect.items())
    line = f"  - {{id: {_quoted(name)}, text: {_quoted(text)}, expect: {{{wanted}}}}}\n"
    path.write_text(before + line, "utf-8")
    try:
        read_cases(root, catalog)
    except ContentError:
        if old is None:
            path.unlink()
        else:
            path.write_text(old, "utf-8")
        raise
    return path


def _quoted(text: str) -> str:
    """In double quotes as YAML 1.2 reads them: as JSON, and what does not print by its number."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in quoted)
