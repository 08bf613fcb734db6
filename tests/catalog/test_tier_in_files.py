"""The Tier law through real files: shorthands, audiences that are not named, three generations.

The oracle reads what people write by itself. Its actions are in one line, strictest last, so that
it needs no order but theirs; ``tests/laws/test_tier.py`` has the whole order.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from hypothesis import HealthCheck, assume, event, example, given, settings
from hypothesis import strategies as st
from pydantic import Field

from app.catalog.read import read_catalog
from app.catalog.tier import comparator
from app.domain.catalog import Catalog, Prompt
from app.domain.errors import ContentError
from app.domain.persona import FileModel
from app.domain.policy import DetectSpec, Stage, action_at

GRID = [tick / 20 for tick in range(21)]
AUDIENCES = ("minor", "teen", "public")
ACTIONS = ("allow", "flag", "mask", "escalate", "block")


def as_strict(action: str, other: str) -> bool:
    """The order of the actions above."""
    return ACTIONS.index(action) >= ACTIONS.index(other)


def done_at(steps: Sequence[tuple[float, str]], score: float) -> str:
    """What a step function does at a score, by brute force."""
    below = [(at, do) for at, do in steps if at <= score]
    return max(below)[1] if below else "allow"


def is_never_weaker(steps: Sequence[tuple[float, str]], other: Sequence[tuple[float, str]]) -> bool:
    """Whether a step function is as strict as another at every score of the grid."""
    return all(as_strict(done_at(steps, score), done_at(other, score)) for score in GRID)


class Words(FileModel):
    """Settings of the detector of words."""

    words: Annotated[tuple[str, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Kind:
    """The detector of words, as far as files are concerned."""

    name: str = "words"
    summary: str = "Words."
    settings: type[FileModel] = Words
    stages: frozenset[Stage] = frozenset(Stage)

    @staticmethod
    def is_as_strict(ours: Words, theirs: Words) -> bool:
        """Whether all words are there still."""
        return set(ours.words) >= set(theirs.words)


def no_variables(_prompt: str, _prompts: Mapping[str, Prompt]) -> frozenset[str]:
    """The template wants nothing."""
    return frozenset()


Written = dict[str, object]
FILE_ACTIONS = st.sampled_from(ACTIONS)
FILE_STEPS = st.lists(st.sampled_from(GRID[::4]), min_size=1, max_size=2, unique=True).flatmap(
    lambda ats: st.tuples(*(FILE_ACTIONS for _ in ats)).map(
        lambda dos: [{"at": at, "do": do} for at, do in zip(sorted(ats), dos, strict=True)]
    )
)
FILE_THEN = FILE_ACTIONS | FILE_STEPS | st.dictionaries(
    st.sampled_from(AUDIENCES), FILE_ACTIONS | FILE_STEPS, min_size=1
)  # fmt: skip
WORDS = st.lists(st.sampled_from("ab"), min_size=1, unique=True).map(sorted)


@st.composite
def written_rules(draw: st.DrawFn, *, is_whole: bool) -> Written:
    """A rule as a person writes it; a change to an inherited one names only what changes."""
    rule: Written = {"id": "r"}
    parts: dict[str, st.SearchStrategy[object]] = {
        "stages": st.lists(st.sampled_from(["input", "output"]), min_size=1, unique=True),
        "detect": WORDS.map(lambda words: {"words": {"words": words}}),
        "then": FILE_THEN,
        "on_unchecked": st.sampled_from(["allow", "flag", "escalate", "block"]),
    }
    for key, part in parts.items():
        if is_whole or draw(st.integers(0, 3)) == 0:
            rule[key] = draw(part)
    return rule


def inherit(parent: Written, child: Written) -> Written:
    """What a rule says after inheritance, with 'then' for every audience."""
    whole = {**parent, **child}
    if "then" in parent:
        old = parent["then"]
        new = child.get("then", {})
        assert isinstance(old, dict)
        is_by_audience = isinstance(new, dict)
        whole["then"] = {**old, **new} if isinstance(new, dict) else new
        assert is_by_audience or "then" in child
    if not isinstance(whole["then"], dict):
        whole["then"] = {AUDIENCES[2]: whole["then"]}
    return whole


def meant(rule: Written, audience: str) -> list[tuple[float, str]]:
    """What a rule says for an audience: its own steps, or those of the next looser one named."""
    then = rule["then"]
    assert isinstance(then, dict)
    for name in AUDIENCES[AUDIENCES.index(audience) :]:
        if name in then:
            said = then[name]
            if isinstance(said, str):
                return [(0.0, said)]
            return [(step["at"], step["do"]) for step in said]
    return []


def generations_hold(written: Sequence[Written]) -> bool:
    """The law between every audience and generation and every looser audience and ancestor."""
    whole: list[Written] = []
    for rule in written:
        whole.append(inherit(whole[-1] if whole else {}, rule))
    return all(
        is_never_weaker(meant(younger, strict), meant(older, loose))
        and set(_list(younger, "stages")) >= set(_list(older, "stages"))
        and _found(younger) >= _found(older)
        and as_strict(str(younger["on_unchecked"]), str(older["on_unchecked"]))
        for (older, younger) in _ancestors(whole)
        for strict, loose in _not_looser()
    )


def _ancestors(whole: Sequence[Written]) -> Iterator[tuple[Written, Written]]:
    yield from ((rule, rule) for rule in whole)
    yield from combinations(whole, 2)


def _not_looser() -> Iterator[tuple[str, str]]:
    return (
        (a, b) for a, b in product(AUDIENCES, repeat=2) if a in AUDIENCES[: AUDIENCES.index(b) + 1]
    )


def _list(rule: Written, key: str) -> list[str]:
    value = rule[key]
    assert isinstance(value, list)
    return value


def _found(rule: Written) -> set[str]:
    detect = rule["detect"]
    assert isinstance(detect, dict)
    return set(detect["words"]["words"])


def read(written: Sequence[Written]) -> tuple[Catalog | None, list[str]]:
    """Generations of policies, read from real files: a catalog, or what is wrong."""
    files: dict[str, object] = {
        "banneton.yaml": {"backends": {"b": {}}, "routes": {"r": {"backend": "b", "model": "m"}}},
        "personas/p.yaml": {
            "name": "P", "prompt": "p", "policy": "p0", "route": "r", "identity": {"role": "x"},
        },
    }  # fmt: skip
    for index, rule in enumerate(written):
        head: Written = {"extends": f"p{index - 1}"}
        if index == 0:
            ladder = {"strictest_first": AUDIENCES, "default": AUDIENCES[0]}
            head = {"audiences": ladder}
        files[f"policies/p{index}.yaml"] = {**head, "rules": [rule]}
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("personas", "policies", "prompts"):
            (root / name).mkdir()
        (root / "prompts/p.md.j2").write_text("Hi.")
        for name, content in files.items():
            (root / name).write_text(json.dumps(content))
        try:
            catalog = read_catalog(root, detectors=[Kind()], inspect_prompt=no_variables)
        except ContentError as exc:
            return None, [problem.what for problem in exc.problems]
        return catalog, []


@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.too_slow])
@given(written_rules(is_whole=True), written_rules(is_whole=False), written_rules(is_whole=False))
@example(
    {
        "id": "r",
        "stages": ["input"],
        "detect": {"words": {"words": ["a"]}},
        "then": "flag",
        "on_unchecked": "flag",
    },
    {"id": "r", "then": {"minor": "block"}},
    {"id": "r", "then": {"public": "mask"}},
)
@example(
    {
        "id": "r",
        "stages": ["input"],
        "detect": {"words": {"words": ["a"]}},
        "then": "flag",
        "on_unchecked": "flag",
    },
    {"id": "r", "then": {"minor": "flag", "teen": "block"}},
    {"id": "r"},
)
def test_files_load_exactly_when_the_law_holds(
    root: Written, child: Written, leaf: Written
) -> None:
    """What people write would be compared before it is fully understood."""
    written = [root, child, leaf]
    holds = generations_hold(written)
    does_nothing = all(
        do == "allow" for name in AUDIENCES for _, do in meant(inherit({}, root), name)
    )
    assume(not does_nothing)
    catalog, refusals = read(written)
    event("refused" if refusals else "accepted")
    assert holds == (not refusals), refusals
    assert not refusals or any("weaker" in refusal for refusal in refusals), refusals
    whole: Written = {}
    for index, generation in enumerate(written if catalog else ()):
        whole = inherit(whole, generation)
        assert catalog is not None
        then = catalog.policies[f"p{index}"].rules[0].then
        for audience, score in product(AUDIENCES, GRID):
            assert action_at(then[audience], score) == done_at(meant(whole, audience), score)


def test_what_no_comparator_knows_counts_as_weaker() -> None:
    """A rule could be pointed at another detector, or at one of which nothing is known."""
    is_as_strict = comparator({"words": Kind()})
    words = DetectSpec("words", {"words": ["a"]})
    assert is_as_strict(DetectSpec("words", {"words": ["a", "b"]}), words)
    assert not is_as_strict(DetectSpec("words", {"words": ["b"]}), words)
    assert not is_as_strict(DetectSpec("judge", {"words": ["a"]}), words)
    assert not is_as_strict(words, DetectSpec("judge", {"words": ["a"]}))
    assert not is_as_strict(DetectSpec("judge"), DetectSpec("judge"))
