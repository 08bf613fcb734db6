"""How files say that a behaviour is measured: a pattern, words, a question, or any detector."""

from collections.abc import Collection
from typing import Literal

from app.catalog.contracts import Siblings
from app.catalog.document import Node
from app.catalog.policy_file import detect_spec
from app.catalog.wording import choices, unknown
from app.domain.conversation import Json
from app.domain.errors import ContentError
from app.domain.persona import Verify
from app.domain.policy import Stage

_BESIDE = ("expect", "min_score")
_SHORT = ("pattern", "words", "judge")

Expect = Literal["present", "absent"]


def read_verify(node: Node, siblings: Siblings) -> Verify:
    """What a behaviour's ``verify`` means.

    Raises:
        ContentError: It means nothing, or its detector could not be built.
    """
    if not isinstance(node.content, dict):
        raise ContentError([node.problem("must be a mapping")])
    ways = [key for key in node.entries if key not in _BESIDE]
    if len(ways) != 1:
        what = "must have exactly one of 'pattern', 'words', 'judge' and the other detectors"
        raise ContentError([node.problem(what)])
    way = ways[0]
    said = node.entries[way]
    if way != "pattern" and way not in siblings.detectors:
        known = sorted({*_SHORT, *siblings.detectors})
        raise ContentError([said.key_problem(unknown("way to verify", way, known))])
    if way != "pattern" and Stage.OUTPUT not in siblings.detectors[way].stages:
        raise ContentError(
            [
                said.key_problem(
                    "finds nothing in answers, so it cannot verify one; use pattern, words or judge"
                )
            ]
        )
    min_score = _min_score(node)
    if way == "judge" and said.text is not None:
        answer = _expect(node, ("yes", "no"))
        if answer is None:
            raise ContentError(
                [node.problem("must have 'expect', what the judge should say; add it")]
            )
        # The judge itself knows what it should say; it finds the other answer.
        settings: Json = {"question": said.text, "expect": answer}
        if node.child("min_score") is not None:
            settings["min_score"] = min_score
        return _verify(way, made(said, settings), siblings, "absent", min_score)
    expect = _expect(node, ("present", "absent"))
    if way == "pattern":
        settings = {"patterns": [{"id": "pattern", "regex": said.plain()}]}
        patterns = made(said, settings)
        return _verify("patterns", patterns, siblings, _or(expect, "present"), min_score)
    if way == "words" and not isinstance(said.content, dict):
        settings = made(said, {"words": said.plain()})
        return _verify(way, settings, siblings, _or(expect, "present"), min_score)
    return _verify(way, said, siblings, _or(expect, "absent"), min_score)


def _verify(
    detector: str, settings: Node, siblings: Siblings, expect: Expect, min_score: float
) -> Verify:
    spec = detect_spec(detector, settings, siblings)
    return Verify(
        detector=spec.detector, settings=spec.settings, expect=expect, min_score=min_score
    )


def _or(expect: str | None, otherwise: Expect) -> Expect:
    if expect == "present":
        return "present"
    return "absent" if expect == "absent" else otherwise


def _expect(node: Node, allowed: Collection[str]) -> str | None:
    said = node.child("expect")
    if said is None:
        return None
    if said.text not in allowed:
        raise ContentError([said.problem(f"is not what it can be{choices(said.text, allowed)}")])
    return said.text


def _min_score(node: Node) -> float:
    said = node.child("min_score")
    if said is None:
        return 0.5
    score = said.content
    if isinstance(score, bool) or not isinstance(score, (int, float)) or not 0 <= score <= 1:
        raise ContentError([said.problem("must be a number from 0 to 1")])
    return float(score)


def made(at: Node, value: Json) -> Node:
    """A value that stands for a shorter one that was written there."""
    match value:
        case dict():
            return Node({key: made(at, item) for key, item in value.items()}, at.source, at.path)
        case list():
            return Node(tuple(made(at, item) for item in value), at.source, at.path)
        case _:
            return Node(value, at.source, at.path)
