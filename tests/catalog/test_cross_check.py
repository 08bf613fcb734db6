"""Near misses of what is refused: files that look odd and are in order."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.catalog.contracts import Siblings
from app.catalog.document import Node
from app.catalog.policy_file import build_policy, expand_detect, expand_then
from app.catalog.yaml_source import parse_document
from app.domain.catalog import Catalog
from app.domain.persona import FileModel
from app.guardrails.detector import Detector, DetectorKind

TABLE = Path(__file__).parent.parent / "cases" / "bad_catalogs" / "near_misses.yaml"
ROWS = parse_document(TABLE.read_bytes(), TABLE.name).plain()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_what_is_in_order_loads(
    row: dict[str, str], root: Path, read_root: Callable[[Path], Catalog]
) -> None:
    """An author would be kept from something that is right."""
    (root / row["file"]).write_text(row["text"])
    catalog = read_root(root)
    assert Path(row["file"]).stem in {**catalog.policies, **catalog.personas}


class Entities(FileModel):
    """Settings that hold a set."""

    entities: frozenset[str] = frozenset()


def look_for_nothing(_settings: Entities) -> Detector:
    """No detector is built while files are read."""
    raise AssertionError


ENTITIES = DetectorKind(
    name="entities",
    summary="Finds entities.",
    settings=Entities,
    build=look_for_nothing,
    selects=lambda _settings, _finding: True,
    is_as_strict=lambda ours, theirs: ours.entities >= theirs.entities,
)


def test_settings_do_not_depend_on_the_order_of_a_set() -> None:
    """One content would have another digest in every process."""
    names = [f"ENTITY_{number}" for number in range(40)]
    text = "audiences: {strictest_first: [a], default: a}\nrules:\n"
    text += (
        f"  - {{id: x, stages: [input], then: flag, detect: {{entities: {{entities: {names}}}}}}}"
    )
    tree: Node = expand_then(expand_detect(parse_document(text.encode(), "policies/x.yaml")))
    read, problems = build_policy(
        "x", tree, Siblings({"entities": ENTITIES}, lambda *_: frozenset())
    )
    assert not problems
    assert read.policy.rules[0].detect.settings == {"entities": sorted(names)}
