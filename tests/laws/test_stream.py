"""The Stream law: however an answer is cut, a client gets *T(x[:b])*, and nothing is regretted.

The oracle below looks at the whole text with a matcher of its own; it knows nothing of windows,
automata or what is open. Every test asserts equality.
"""

import asyncio
import itertools
from dataclasses import dataclass

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.domain.events import (
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
)
from app.domain.policy import Action, Stage
from app.guardrails.detector import Scope
from tests.guardrails.building import (
    Local,
    guard,
    kind,
    patterns,
    pieces,
    plan,
    rule,
    stream,
    text_of,
    words,
)
from tests.guardrails.grammar import One, Row, Tree, matches, regex, trees

ALPHABET = "ab _"
MASK = "[removed]"
ACTS = [Action.FLAG, Action.MASK, Action.BLOCK, Action.ESCALATE]

WORDS = st.text("ab", min_size=1, max_size=4).map(lambda word: Row(tuple(map(One, word))))
RULES = st.lists(
    st.tuples(st.one_of(WORDS, trees(ALPHABET)), st.sampled_from(ACTS)), min_size=1, max_size=4
)
TEXTS = st.text(ALPHABET + "中é", max_size=14)
CUTS = st.sets(st.integers(1, 14))

LAW = settings(deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Expected:
    """What a client gets."""

    text: str
    stops: bool
    end: int
    """Up to where the model's text counts."""


def expected(text: str, rules: list[tuple[Tree, Action]]) -> Expected:
    """*T(x[:b])*, straight from the law."""
    spans = [(span, act) for tree, act in rules for span in matches(tree, text)]
    return _expected(text, spans)


def _expected(text: str, spans: list[tuple[tuple[int, int], Action]]) -> Expected:
    hidden = _unions([span for span, act in spans if act is Action.MASK])
    ends = [span[0] for span, act in spans if act in {Action.BLOCK, Action.ESCALATE}]
    end = min(ends, default=len(text))
    while crossed := [start for start, stop in hidden if start < end < stop]:
        end = crossed[0]
    out, at = "", 0
    for start, stop in hidden:
        if stop <= end:
            out += text[at:start] + MASK
            at = stop
    return Expected(out + text[at:end], bool(ends), end)


def _unions(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans that share a code point, made one."""
    unions: list[tuple[int, int]] = []
    for start, stop in sorted(set(spans)):
        if unions and start < unions[-1][1]:
            unions[-1] = (unions[-1][0], max(unions[-1][1], stop))
        else:
            unions.append((start, stop))
    return unions


def compiled(rules: list[tuple[Tree, Action]], *stages: Stage):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """A policy with one rule for each."""
    return plan(
        *(rule(f"r{n}", patterns(regex(tree)), act, *stages) for n, (tree, act) in enumerate(rules))
    )


@LAW
@given(RULES, TEXTS, CUTS)
@example([(Row((One("a"), One("b"))), Action.BLOCK)], "xab", {2})
def test_any_cutting_gives_the_same_text(
    rules: list[tuple[Tree, Action]], text: str, cuts: set[int]
) -> None:
    """A streaming client gets other text than the law says, for some way to cut the answer."""
    guarding = guard(compiled(rules))
    out = asyncio.run(stream(guarding, map(TextDelta, pieces(text, cuts))))
    want = expected(text, rules)
    assert (text_of(out), guarding.stop is not None) == (want.text, want.stops)
    assert isinstance(out[-1] if out else None, Finish) != want.stops
