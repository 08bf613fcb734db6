"""Adds a case to a policy's file of cases, for review like any other change."""

from collections.abc import Mapping
from pathlib import Path

from app.catalog.cases import read_policy_cases
from app.catalog.files import CASES_SUFFIX
from app.catalog.yaml_source import read_document
from app.catalog.yaml_writer import quoted
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
    old = path.read_bytes() if path.exists() else None
    before, dash, line_end = _HEAD, "  - ", "\n"
    if old is not None:
        dash = _dash(path, root)
        line_end = "\r\n" if b"\r\n" in old else "\n"
        before = old.decode().rstrip("\r\n") + line_end
    wanted = ", ".join(f"{audience}: {outcome}" for audience, outcome in expect.items())
    case = f"{{id: {quoted(name)}, text: {quoted(text)}, expect: {{{wanted}}}}}"
    path.write_bytes(f"{before}{dash}{case}{line_end}".encode())
    try:
        read_policy_cases(root, catalog)
    except ContentError:
        if old is None:
            path.unlink()
        else:
            path.write_bytes(old)
        raise
    return path


def _dash(path: Path, root: Path) -> str:
    """What stands before the last case, which is what has to stand before the next one.

    Raises:
        ContentError: The file is no YAML, or nothing can be added at its end.
    """
    tree = read_document(path, root)
    cases = tree.nearest("cases").items
    if cases:
        place = cases[-1].source
        dash = path.read_text("utf-8").split("\n")[place.line - 1][: place.column - 1]
        if dash.strip() == "-":
            return dash
    what = "has no list of cases to which one can be added; write each after a '- ' of its own line"
    raise ContentError([tree.nearest("cases").problem(what)])
