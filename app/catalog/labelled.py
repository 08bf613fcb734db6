"""Files of labelled texts: JSON Lines, by which thresholds are chosen and budgets checked."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from app.catalog.document import file_problem
from app.domain.conversation import Json
from app.domain.errors import ContentError, Problem
from app.domain.policy import Stage

MAX_BYTES = 512_000_000
"""Unpacked: a small archive must not fill the memory."""


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text, and whether rules should stop it."""

    text: str
    is_harmful: bool
    detector: str = ""
    """Which detector should see it; empty: any."""
    category: str = ""
    """What kind of text it is, for tables."""
    stage: Stage = Stage.INPUT
    system: str = ""
    """The system prompt that an answer is checked against."""


def read_labelled(path: Path, file: str, *, is_harmful: bool | None) -> tuple[LabelledText, ...]:
    """All texts of a file.

    Each line is an object with ``text``; ``detector``, ``category``, ``stage`` and ``system`` are
    optional, and other keys are not looked at, so that published data can be used as it is.

    Args:
        path: Ends in ``.jsonl`` or ``.jsonl.gz``.
        file: What messages call it.
        is_harmful: What the texts are; none where each line says so: ``label`` is 0 or 1.

    Raises:
        ContentError: Every line that is none, without its text.
    """
    if not path.is_file():
        raise ContentError(
            [
                file_problem(
                    file, "is not there, though a policy's budget names it; correct the path there"
                )
            ]
        )
    texts: list[LabelledText] = []
    problems: list[Problem] = []
    for number, line in enumerate(_lines(path, file), 1):
        if not line.strip():
            continue
        try:
            texts.append(_text(line, is_harmful))
        except ValueError as exc:
            problems.append(Problem(file, number, 1, "", str(exc)))
    if not texts and not problems:
        problems.append(
            file_problem(file, 'holds no texts; write one a line, such as {"text": "Hi"}')
        )
    if problems:
        raise ContentError(problems)
    return tuple(texts)


def _lines(path: Path, file: str) -> Iterator[bytes]:
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as packed:
                content = packed.read(MAX_BYTES + 1)
        else:
            with path.open("rb") as plain:
                content = plain.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as exc:
        raise ContentError([file_problem(file, f"cannot be read: {type(exc).__name__}")]) from None
    if len(content) > MAX_BYTES:
        raise ContentError(
            [file_problem(file, f"is larger than {MAX_BYTES} bytes; take fewer texts")]
        )
    yield from content.split(b"\n")


def _text(line: bytes, is_harmful: bool | None) -> LabelledText:  # noqa: FBT001  # as its caller's
    try:
        entry: Json = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise ValueError('is no JSON; each line is an object such as {"text": "Hi"}') from None
    is_object = isinstance(entry, dict)
    if not is_object or not isinstance(entry.get("text"), str):
        raise ValueError('has no \'text\'; each line is an object such as {"text": "Hi"}')
    label = entry.get("label")
    if is_harmful is None and label not in (0, 1):
        raise ValueError("has no 'label': 0 is harmless, 1 is harmful")
    stage = entry.get("stage", Stage.INPUT)
    if stage not in set(Stage):
        raise ValueError(f"has a 'stage' that is none of {', '.join(Stage)}")
    named = {key: entry.get(key, "") for key in ("detector", "category", "system")}
    if not all(isinstance(value, str) for value in named.values()):
        raise ValueError("'detector', 'category' and 'system' are text")
    harmful = bool(label) if is_harmful is None else is_harmful
    return LabelledText(entry["text"], harmful, stage=Stage(stage), **named)
