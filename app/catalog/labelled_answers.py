"""Answers that people have judged: JSON Lines, by which judges are themselves judged."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import orjson

from app.catalog.document import Node
from app.catalog.yaml_source import read_bytes
from app.domain.conversation import Json
from app.domain.errors import ContentError, Problem

_FOLDER = "evals/"
_SUFFIX = ".jsonl"
_KEYS = {"question", "answer", "label"}

Label = Literal["yes", "no"]


@dataclass(frozen=True, slots=True)
class LabelledAnswer:
    """An answer, and what people say to the judge's question about it."""

    question: str
    """What the user had said; empty where that does not matter."""
    answer: str
    label: Label


def read_labelled_answers(root: Path, node: Node) -> tuple[LabelledAnswer, ...]:
    """The answers of a file that a judge names.

    Each line is an object with ``answer`` and ``label``, which is ``yes`` or ``no``; ``question``
    is optional.

    Raises:
        ContentError: There is no such file under ``evals/``, or a line of it is none.
    """
    file = node.text or ""
    inside = file.startswith(_FOLDER) and ".." not in PurePosixPath(file).parts
    if not inside or not file.endswith(_SUFFIX):
        raise ContentError([node.problem("must be a .jsonl file under evals/")])
    path = root / file
    if not path.resolve().is_relative_to(root.resolve()):
        raise ContentError(
            [node.problem("is a link that leads out of the project; put the file itself there")]
        )
    if not path.is_file():
        raise ContentError(
            [
                node.problem(
                    f"is '{file}', and there is no such file; write its path from the project"
                )
            ]
        )
    answers: list[LabelledAnswer] = []
    problems: list[Problem] = []
    for number, line in enumerate(read_bytes(path, file).split(b"\n"), 1):
        if line.strip():
            try:
                answers.append(_answer(line))
            except ValueError as exc:
                problems.append(Problem(file, number, 1, "", str(exc)))
    if not problems and len({each.label for each in answers}) != 2:  # noqa: PLR2004  # yes and no
        what = "needs answers of both labels; by one of them alone no judge can be told from a nod"
        problems.append(node.problem(what))
    if problems:
        raise ContentError(problems)
    return tuple(answers)


def _answer(line: bytes) -> LabelledAnswer:
    example = 'an object such as {"question": "Hi", "answer": "Hello!", "label": "yes"}'
    try:
        entry: Json = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise ValueError(f"is no JSON; each line is {example}") from None
    if not isinstance(entry, dict) or not entry.keys() <= _KEYS:
        raise ValueError(f"is not {example}")
    question, answer = entry.get("question", ""), entry.get("answer")
    if not isinstance(question, str) or not isinstance(answer, str) or not answer:
        raise ValueError("'question' and 'answer' are text, and there must be an 'answer'")
    if entry.get("label") not in ("yes", "no"):
        raise ValueError("has no 'label': what people say to the judge's question, yes or no")
    return LabelledAnswer(question, answer, entry["label"])
