"""What a case may ask of an answer: one model for each kind of check."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal, TypeVar

from pydantic import Field, JsonValue

from app.domain.decision import Outcome
from app.domain.persona import FileModel, Verify
from app.domain.policy import Action

NonEmpty = Annotated[str, Field(min_length=1)]
Several = Annotated[tuple[NonEmpty, ...], Field(min_length=1)]
OneOrMore = NonEmpty | Several
Expect = Literal["present", "absent"]
ItemT = TypeVar("ItemT")


def listed(value: ItemT | tuple[ItemT, ...]) -> tuple[ItemT, ...]:
    """What may be written as one thing or as a list of them."""
    return value if isinstance(value, tuple) else (value,)


class CheckFile(FileModel):
    """What every check may say."""

    why: str = ""
    """Why this must hold, for whoever sees it fail."""


class Contains(CheckFile):
    """The answer holds all of these texts."""

    contains: OneOrMore
    """A text, or a list of texts of which every one must be there."""
    ignore_case: bool = False
    """Whether capital and small letters are the same."""


class ContainsAny(CheckFile):
    """The answer holds at least one of these texts."""

    contains_any: Several
    """Texts of which one must be there."""
    ignore_case: bool = False
    """Whether capital and small letters are the same."""


class Lacks(CheckFile):
    """The answer holds none of these texts."""

    lacks: OneOrMore
    """A text, or a list of texts of which none may be there."""
    ignore_case: bool = False
    """Whether capital and small letters are the same."""


class Equals(CheckFile):
    """The answer is one of these texts, but for blanks before and after it."""

    equals: OneOrMore
    """A text, or a list of texts of which it may be any."""
    ignore_case: bool = False
    """Whether capital and small letters are the same."""


class FitsJson(CheckFile):
    """The answer is JSON of a shape."""

    json_schema: dict[str, JsonValue]
    """A JSON Schema of draft 2020-12; ``{}`` takes any JSON. ``$ref`` leads to places in it,
    patterns are RE2's."""


class Call(FileModel):
    """A call of a tool."""

    tool: NonEmpty
    """Its name."""
    arguments: Mapping[str, JsonValue] = {}
    """What its arguments must hold. Others may stand beside them; mappings are compared in the same
    way, lists and all else as wholes."""
    json_schema: dict[str, JsonValue] | None = None
    """A JSON Schema that its arguments must fit."""


class Calls(CheckFile):
    """The model called a tool, or did not."""

    calls: NonEmpty | Call
    """The tool's name, or the name with what the arguments must hold."""
    expect: Expect = "present"
    """``absent``: no such call may be there."""


class HasOutcome(CheckFile):
    """What policy did, over all stages."""

    outcome: Outcome | Annotated[tuple[Outcome, ...], Field(min_length=1)]
    """The outcome, or a list of those that are right."""


class RuleApplied(FileModel):
    """What a rule did."""

    id: NonEmpty
    """The rule."""
    action: Action | None = None
    """What it did; left out, anything."""


class Applies(CheckFile):
    """A rule of the policy acted, or did not."""

    rule: NonEmpty | RuleApplied
    """The rule's id, or the id with its action."""
    expect: Expect = "present"
    """``absent``: it may not have acted."""


class Sees(FileModel):
    """What a detector of the policy saw."""

    detector: NonEmpty
    """The detector's name."""
    category: str | None = None
    """The finding's category; left out, any."""
    min_score: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Findings that score lower do not count."""


class HasFinding(CheckFile):
    """A detector of the policy saw something, or saw nothing, at any stage."""

    finding: NonEmpty | Sees
    """The detector's name, or the name with the category and the score."""
    expect: Expect = "present"
    """``absent``: it may not have seen that."""


class Behaves(CheckFile):
    """The answer kept to behaviours of the persona, as they are measured live."""

    behaviour: OneOrMore
    """A behaviour's id, or a list of them."""


class Ceilings(FileModel):
    """The most; at least one."""

    total_ms: Annotated[float, Field(gt=0)] | None = None
    """From the request to the end of the answer."""
    first_token_ms: Annotated[float, Field(gt=0)] | None = None
    """From the request to the first event of the model."""
    cost: Annotated[float, Field(ge=0)] | None = None
    """What it costs, in USD, as ``prices`` of the deployment have it."""
    input_tokens: Annotated[int, Field(ge=0)] | None = None
    """What the model read."""
    output_tokens: Annotated[int, Field(ge=0)] | None = None
    """What the model wrote."""
    turns: Annotated[int, Field(ge=1)] | None = None
    """How many turns the conversation took; in ``goal`` only."""


class AtMost(CheckFile):
    """What an answer may take; in ``goal``, what the conversation may take."""

    at_most: Ceilings
    """Of time, money, tokens and turns."""


class Measure(StrEnum):
    """How alike two texts are, from 0 to 1."""

    CHRF = "chrf"
    """By the runs of letters that they share: chrF of order 6, which counts recall twice."""
    ROUGE_L = "rouge_l"
    """By the words that they share in the same order: the F1 of ROUGE-L."""
    MEANING = "meaning"
    """By static embeddings of their words, of the extra ``topics``: the cosine."""


class Like(FileModel):
    """What an answer should be like."""

    to: OneOrMore
    """A good answer, or several; the most alike counts."""
    by: Measure = Measure.CHRF
    """How likeness is measured."""
    min: Annotated[float, Field(gt=0, le=1)] = 0.5
    """From which value on it is like enough."""


class Similar(CheckFile):
    """The answer is like a good one."""

    similar: OneOrMore | Like
    """A good answer, or several; or with the measure and the least value."""


class JudgeFile(FileModel):
    """A question to models about an answer, and what they should say."""

    question: NonEmpty
    """A question that is answered by yes or no."""
    expect: Literal["yes", "no"]
    """What the answer should be."""
    rubric: str = ""
    """What a yes and a no mean, and what lies between them, in words for the model."""
    routes: Several = ("judge",)
    """The ways to the models that are asked. Of several, the middle score counts."""
    min_score: Annotated[float, Field(gt=0, le=1)] = 0.5
    """From which score on the other answer counts as given: 1 is certain, 0.5 is undecided."""
    shows_question: bool = True
    """Whether the models are also shown what the user said last."""


class Judged(CheckFile):
    """A model's judgement of the answer; in ``goal``, of the whole conversation."""

    judge: JudgeFile
    """What is asked."""
    named: str | None = None
    """The suite's judge that this is; none where the question stands in the check itself."""


class Verified(CheckFile):
    """What a detector says of the answer, as a behaviour's ``verify`` says it."""

    verify: Verify
    """Which detector, and whether it should find something."""


Check = (
    Contains
    | ContainsAny
    | Lacks
    | Equals
    | FitsJson
    | Calls
    | HasOutcome
    | Applies
    | HasFinding
    | Behaves
    | AtMost
    | Similar
    | Judged
    | Verified
)


WRITTEN: Mapping[str, type[CheckFile]] = {
    "contains": Contains,
    "contains_any": ContainsAny,
    "lacks": Lacks,
    "equals": Equals,
    "json_schema": FitsJson,
    "calls": Calls,
    "outcome": HasOutcome,
    "rule": Applies,
    "finding": HasFinding,
    "behaviour": Behaves,
    "at_most": AtMost,
    "similar": Similar,
}
"""Kinds of checks by the key that says which one it is; the others are as ``verify`` says them."""


def kind_of(check: Check) -> str:
    """The key that says which kind of check it is; for a detector's, its name."""
    if isinstance(check, Verified):
        return check.verify.detector
    if isinstance(check, Judged):
        return "judge"
    return next(key for key, model in WRITTEN.items() if type(check) is model)
