"""The reference pages of cases, checks and suites, made of their JSON Schemas."""

from collections.abc import Iterator
from typing import Any

from app.cli.tables import Keys

Json = Any

UNKNOWN_KEYS = (
    "Unknown keys are errors. A key without a default must stand in the file, or in one that",
    "it extends.",
    "",
)
"""What holds for every file that people write."""


def cases(schema: Json) -> Iterator[str]:
    """The page of files of cases."""
    yield "`policies/*.cases.yaml`, `personas/*.cases.yaml` and `prompts/*.cases.yaml`, each named"
    yield "after what it is about. How to write them is in [write cases](../how-to/write-cases.md)."
    yield "What `expect`, `every_turn`, `goal` and `violates` hold is in [checks](checks.md)."
    yield ""
    yield from UNKNOWN_KEYS
    yield from Keys(schema, skips=_LISTS).tables()


def suites(schema: Json) -> Iterator[str]:
    """The page of suites."""
    yield "`evals/<id>.yaml`. What `expect`, `every_turn`, `goal` and `violates` hold is in"
    yield "[checks](checks.md). `evals/*.script.yaml` are no suites: the scripted backend reads"
    yield "them."
    yield ""
    yield from UNKNOWN_KEYS
    yield from Keys(schema, skips=_LISTS).tables()


_LISTS = frozenset({"every_turn", "goal", "violates", "expect"})
"""Under these keys stand checks, which have a page of their own."""


def checks(schema: Json) -> Iterator[str]:
    """The page of checks, by the schema of cases."""
    from app.catalog.check_file import WRITTEN
    from app.guardrails.kinds import KINDS

    yield "A check is a mapping with one of these keys, which says what kind of check it is. It is"
    yield "held, failed, or not scored where it could not be made. Under `expect` of a turn it is"
    yield "about that turn's answer, under `every_turn` about each answer. Under `goal` and"
    yield "`violates` it is about the whole conversation: `equals`, `json_schema` and `similar`"
    yield "look at the last answer, what looks for something at all answers, a judge at all turns."
    yield ""
    keys = Keys(schema, skips=frozenset(KINDS) - {"judge"})
    for name, model in WRITTEN.items():
        yield from (f"## {name}", "")
        yield from keys.tables(schema["$defs"][model.__name__])
    yield from ("## pattern, words, judge and every detector", "")
    yield "As a behaviour's `verify` says it. What detectors may be told is in"
    yield "[detectors](detectors.md)."
    yield ""
    yield from keys.tables(schema["$defs"]["Verified"])
