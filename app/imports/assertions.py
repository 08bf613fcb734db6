"""promptfoo's assertions as checks of ours.

Source: https://www.promptfoo.dev/docs/configuration/expected-outputs/, as of its files of 2026.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.domain.conversation import Json

Check = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Assertion:
    """One assertion, its templates filled in."""

    kind: str
    """Without ``not-``."""
    is_negated: bool
    value: Json
    threshold: float | None
    judge: str | None
    """The route to the model that judges; none where nobody has named one."""


class CannotCarryError(Exception):
    """There is no such check here."""


def as_checks(assertion: Assertion) -> list[Check]:
    """The checks that say the same.

    Raises:
        CannotCarryError: None do, and why.
    """
    make = _KINDS.get(assertion.kind)
    if make is None:
        raise CannotCarryError(_WHY_NOT.get(assertion.kind, "has no check of its kind here"))
    return make(assertion)


def _texts(value: Json) -> list[str]:
    """What stands there as texts; numbers are written out."""
    values = value if isinstance(value, list) else [value]
    plain = [each for each in values if isinstance(each, str | int | float)]
    texts = [each if isinstance(each, str) else str(each) for each in plain]
    if len(texts) != len(values) or not texts or not all(texts):
        raise CannotCarryError("needs a text, or a list of them")
    if any(text.startswith("file://") for text in texts):
        raise CannotCarryError("is in another file; write it into the suite")
    return texts


def _one_or_more(value: Json) -> Json:
    """The same, with one text as itself."""
    texts = _texts(value)
    return texts[0] if len(texts) == 1 else texts


def _contains(assertion: Assertion) -> list[Check]:
    key = "lacks" if assertion.is_negated else "contains"
    return [_cased(assertion, {key: _one_or_more(assertion.value)})]


def _contains_all(assertion: Assertion) -> list[Check]:
    if assertion.is_negated:
        raise CannotCarryError("asks that not all are there, for which there is no check")
    return [_cased(assertion, {"contains": _one_or_more(assertion.value)})]


def _contains_any(assertion: Assertion) -> list[Check]:
    key = "lacks" if assertion.is_negated else "contains_any"
    return [_cased(assertion, {key: _texts(assertion.value)})]


def _cased(assertion: Assertion, check: Check) -> Check:
    return {**check, "ignore_case": True} if assertion.kind.startswith("i") else check


def _equals(assertion: Assertion) -> list[Check]:
    if isinstance(assertion.value, dict | list):
        if assertion.is_negated:
            raise CannotCarryError("asks that it is another JSON, for which there is no check")
        return [{"json_schema": {"enum": [assertion.value]}}]
    (text,) = _texts(assertion.value)
    if assertion.is_negated:
        return [{"pattern": rf"^{escaped(text)}$", "expect": "absent"}]
    return [{"equals": text}]


def _starts_with(assertion: Assertion) -> list[Check]:
    (text,) = _texts(assertion.value)
    return [_pattern(assertion, f"^{escaped(text)}")]


def _regex(assertion: Assertion) -> list[Check]:
    (source,) = _texts(assertion.value)
    return [_pattern(assertion, source)]


def _pattern(assertion: Assertion, source: str) -> Check:
    return {"pattern": source, **({"expect": "absent"} if assertion.is_negated else {})}


def escaped(text: str) -> str:
    """For RE2, which takes a backslash before what is no letter or digit of ASCII."""
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text)


def _is_json(assertion: Assertion) -> list[Check]:
    if assertion.is_negated:
        raise CannotCarryError("asks that it is no JSON, for which there is no check")
    schema = {} if assertion.value in (None, "") else assertion.value
    if not isinstance(schema, dict):
        raise CannotCarryError("has its schema in another file; write it into the suite")
    return [{"json_schema": schema}]


def _ceiling(key: str) -> Callable[[Assertion], list[Check]]:
    def make(assertion: Assertion) -> list[Check]:
        if assertion.threshold is None or assertion.is_negated:
            raise CannotCarryError("needs a threshold that may not be exceeded")
        most = assertion.threshold
        return [{"at_most": {key: int(most) if most.is_integer() else most}}]

    return make


def _word_count(assertion: Assertion) -> list[Check]:
    value = assertion.value
    low, high = value, value
    if isinstance(value, dict):
        low, high = value.get("min"), value.get("max")
    limits = {
        key: int(limit)
        for key, limit in (("min_words", low), ("max_words", high))
        if isinstance(limit, int | float) and not isinstance(limit, bool) and limit >= 0
    }
    if not limits or assertion.is_negated:
        raise CannotCarryError("needs a number of words, or 'min' and 'max'")
    return [{"length": limits}]


def _judged(wording: str) -> Callable[[Assertion], list[Check]]:
    def make(assertion: Assertion) -> list[Check]:
        if assertion.judge is None:
            raise CannotCarryError("asks a model; name the route to a judge with --judge")
        if not isinstance(assertion.value, str):
            raise CannotCarryError("needs a text")
        question = wording.format(" ".join(_texts(assertion.value)))
        expect = "no" if assertion.is_negated else "yes"
        judge = {"question": question, "expect": expect, "routes": [assertion.judge]}
        return [{"judge": judge}]

    return make


MEETS = "Does the answer meet this criterion? {}"
AGREES = "Does the answer agree in its facts with this answer of an expert? {}"

_KINDS: Mapping[str, Callable[[Assertion], list[Check]]] = {
    "contains": _contains,
    "icontains": _contains,
    "contains-all": _contains_all,
    "icontains-all": _contains_all,
    "contains-any": _contains_any,
    "icontains-any": _contains_any,
    "equals": _equals,
    "starts-with": _starts_with,
    "regex": _regex,
    "is-json": _is_json,
    "latency": _ceiling("total_ms"),
    "cost": _ceiling("cost"),
    "word-count": _word_count,
    "llm-rubric": _judged(MEETS),
    "model-graded-closedqa": _judged(MEETS),
    "g-eval": _judged(MEETS),
    "factuality": _judged(AGREES),
    "model-graded-factuality": _judged(AGREES),
}

_CODE = "is code, which is not carried over; write a detector, or say it in other checks"
_ANOTHER = "measures by another model's vectors or words, so that its threshold means nothing here"
_WHY_NOT: Mapping[str, str] = {
    **dict.fromkeys(("javascript", "python", "ruby", "webhook"), _CODE),
    **dict.fromkeys(("similar", "rouge-n", "bleu", "gleu", "meteor", "levenshtein"), _ANOTHER),
    "is-refusal": "asks whether it was refused; say 'harmless: true' or 'outcome: block'",
    "contains-json": "takes JSON inside other text; 'json_schema' takes an answer that is JSON",
    "select-best": "compares several models' answers; runs of a suite are compared instead",
    "assert-set": "takes some of its assertions for enough; every check of a case must hold",
}
