"""The Stream law: however an answer is cut, a client gets *T(x[:b])*, and nothing is regretted.

The oracle below looks at the whole text with a matcher of its own; it knows nothing of windows,
automata or what is open. Every test asserts equality.
"""

import itertools
import re
from dataclasses import dataclass

from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from app.domain.events import (
    Finish,
    FinishReason,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
)
from app.domain.policy import Action, Stage
from app.guardrails.detector import Scope
from app.guardrails.passage import Passage
from app.guardrails.plan import PolicyPlan
from app.guardrails.shapes import Shape
from tests.guardrails.building import (
    NOW,
    Local,
    guard,
    kind,
    observed,
    patterns,
    pieces,
    plan,
    rule,
    run,
    stream,
    text_of,
    words,
)
from tests.guardrails.grammar import EDGED, At, One, Row, Times, Tree, matches, regex, trees

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


def compiled(rules: list[tuple[Tree, Action]], *stages: Stage) -> PolicyPlan:
    """A policy with one rule for each pattern."""
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
    out = run(stream(guarding, map(TextDelta, pieces(text, cuts))))
    want = expected(text, rules)
    assert (text_of(out), bool(guarding.stops)) == (want.text, want.stops)
    assert isinstance(out[-1] if out else None, Finish) != want.stops


@LAW
@given(
    st.lists(
        st.tuples(st.text("ab", min_size=1, max_size=3), st.sampled_from(ACTS)),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
    st.text("aAbB -中", max_size=14),
    CUTS,
)
def test_words_are_whole_or_not_as_the_list_says(
    listed: list[tuple[str, Action]],
    whole: bool,  # noqa: FBT001  # drawn
    text: str,
    cuts: set[int],
) -> None:
    """A word is missed, found inside a longer one, or released in part."""
    rules = [
        rule(f"r{n}", words(word, whole_words=whole), act) for n, (word, act) in enumerate(listed)
    ]
    guarding = guard(plan(*rules))
    out = run(stream(guarding, map(TextDelta, pieces(text, cuts))))
    spans = [
        (span, act) for word, act in listed for span in _words(word, text.lower(), whole=whole)
    ]
    want = _expected(text, spans)
    assert (text_of(out), bool(guarding.stops)) == (want.text, want.stops)


def _words(word: str, text: str, *, whole: bool) -> list[tuple[int, int]]:
    found, at = [], 0
    while (start := text.find(word, at)) >= 0:
        end = start + len(word)
        near = text[max(start - 1, 0) : start] + text[end : end + 1]
        is_match = not (whole and any(char.isascii() and char.isalnum() for char in near))
        found += [(start, end)] if is_match else []
        at = end if is_match else start + 1
    return found


def _word(word: str) -> Tree:
    return Row(tuple(map(One, word)))


def _before_edge(tree: Tree) -> Tree:
    return Row((tree, At(r"\b")))


@LAW
@given(
    st.lists(st.tuples(st.one_of(WORDS, EDGED), st.sampled_from(ACTS)), min_size=1, max_size=3),
    st.text("ab ", max_size=7),
    CUTS,
)
@example([(_word("aa"), Action.MASK), (_before_edge(One("a")), Action.MASK)], "aa", set())
@example([(_before_edge(One("b")), Action.MASK), (_word("ab"), Action.MASK)], "ab", {1})
@example(
    [(_word("bb"), Action.MASK), (_before_edge(Times(One("ab"), 1, 2)), Action.MASK)], "bba", set()
)
def test_nothing_waits_that_nothing_could_affect(
    rules: list[tuple[Tree, Action]], text: str, cuts: set[int]
) -> None:
    """Text is held though no continuation changes its fate or what is found about it."""
    policy = compiled(rules)
    assume(all(shape.max_match in range(1, LONGEST + 1) for _, _, shape in _shapes(policy)))
    guarding = guard(policy)
    released = "".join(text_of(guarding.feed(TextDelta(piece))) for piece in pieces(text, cuts))
    fates = [_fates(text + more, rules)[: len(text)] for more in FUTURES]
    certain = next((i for i in range(len(text)) if len({f[i] for f in fates}) > 1), len(text))
    assert released == _shown(text, [fate for fate, _ in fates[0][:certain]])


LONGEST = 3
FUTURES = ["".join(more) for n in range(LONGEST + 1) for more in itertools.product("ab ", repeat=n)]
"""Every way to go on that patterns of that width can tell apart."""


def _shapes(policy: PolicyPlan) -> tuple[tuple[object, int, Shape], ...]:
    return policy.at(Stage.OUTPUT, "public", NOW).span_shapes


Fate = tuple[str | tuple[int, int], frozenset[tuple[int, tuple[int, int]]]]


def _fates(text: str, rules: list[tuple[Tree, Action]]) -> list[Fate]:
    """For each code point: shown, beyond the end, or in which hidden span; and what is about it."""
    found = [
        (number, span, act)
        for number, (tree, act) in enumerate(rules)
        for span in matches(tree, text)
        if act is not Action.FLAG
    ]
    want = _expected(text, [(span, act) for _, span, act in found])
    hidden = _unions([span for _, span, act in found if act is Action.MASK])

    def fate(at: int) -> str | tuple[int, int]:
        if at >= want.end:
            return "beyond"
        return next((span for span in hidden if span[0] <= at < span[1]), "shown")

    return [
        (fate(at), frozenset((n, span) for n, span, _ in found if span[0] <= at < span[1]))
        for at in range(len(text))
    ]


def _shown(text: str, fates: list[str | tuple[int, int]]) -> str:
    out = ""
    for at, fate in enumerate(fates):
        if fate == "shown":
            out += text[at]
        elif fate != "beyond" and fate[0] == at:
            out += MASK
    return out


@LAW
@given(
    st.lists(
        st.tuples(st.one_of(WORDS, trees(ALPHABET)), st.sampled_from([Action.FLAG, Action.STEER])),
        min_size=1,
        max_size=3,
    ),
    TEXTS,
    CUTS,
)
def test_what_can_only_flag_or_add_holds_nothing(
    rules: list[tuple[Tree, Action]], text: str, cuts: set[int]
) -> None:
    """A rule that cannot change the text makes the user wait for it."""
    listed = [
        rule(f"r{n}", patterns(regex(tree)), act, append=f" +{n}")
        for n, (tree, act) in enumerate(rules)
    ]
    listed.append(observed(rule("observed", patterns("ab"), Action.BLOCK)))
    guarding = guard(plan(*listed))
    for piece in pieces(text, cuts):
        assert guarding.feed(TextDelta(piece)) == [TextDelta(piece)]
    rest = run(guarding.finish(Finish(FinishReason.STOP)))
    adds = [
        f" +{n}"
        for n, (tree, act) in enumerate(rules)
        if act is Action.STEER and matches(tree, text)
    ]
    assert text_of(rest) == "".join(adds)


@LAW
@given(
    RULES,
    st.lists(st.tuples(st.integers(0, 3), st.text(ALPHABET, min_size=1, max_size=4)), max_size=9),
)
def test_channels_do_not_mix_and_those_of_a_choice_stop_together(
    rules: list[tuple[Tree, Action]], fed: list[tuple[int, str]]
) -> None:
    """A match is made of two channels' texts, or one goes on after another of its choice."""
    guarding = guard(compiled(rules, Stage.OUTPUT, Stage.TOOL_CALL))
    opening, closing = '{"k":"', '"}'
    events: list[StreamEvent] = [
        ToolCallDelta(0, opening, "call", "tool"),
        *(_event(n, text) for n, text in fed),
        ToolCallDelta(0, closing),
    ]
    out = run(stream(guarding, events, choices=(0, 1)))
    texts = ["".join(text for m, text in fed if m == n) for n in range(4)]
    texts[3] = opening + texts[3] + closing
    stopped = {number: stop.path for number, stop in guarding.stops.items()}
    for number, path in enumerate(_PATHS):
        want = expected(texts[number], rules)
        got = "".join(_text(event) for event in out if _number(event) == number)
        first = stopped.get(number == _OTHER_CHOICE)
        assert want.text == got or (first not in {path, None} and want.text.startswith(got))
        assert not (want.stops and first is None)


_OTHER_CHOICE = 2
_PATHS = (
    "choices[0].text",
    "choices[0].refusal",
    "choices[1].text",
    "choices[0].tool_calls[0].arguments",
)


def _event(number: int, text: str) -> StreamEvent:
    events: list[StreamEvent] = [
        TextDelta(text),
        RefusalDelta(text),
        TextDelta(text, 1),
        ToolCallDelta(0, text),
    ]
    return events[number]


def _number(event: StreamEvent) -> int | None:
    match event:
        case TextDelta(choice=choice):
            return 2 * choice
        case RefusalDelta():
            return 1
        case ToolCallDelta():
            return 3
        case _:
            return None


def _text(event: StreamEvent) -> str:
    return event.arguments if isinstance(event, ToolCallDelta) else getattr(event, "text", "")


def _even(text: str) -> list[tuple[int, int]]:
    """Numbers of two to four digits with an even sum, neither after an ``a`` nor before a ``b``.

    Fails on a nine.
    """
    found = []
    for match in re.finditer("[0-9]{2,4}", text):
        if "9" in match.group():
            raise ValueError(match.group())
        near = (text[: match.start()][-1:], text[match.end() : match.end() + 1])
        if sum(map(int, match.group())) % 2 == 0 and near[0] != "a" and near[1] != "b":
            found.append(match.span())
    return found


@LAW
@given(
    st.text("a1239 b", max_size=14),
    CUTS,
    st.sampled_from([Action.MASK, Action.BLOCK]),
    st.lists(st.tuples(WORDS, st.sampled_from(ACTS)), max_size=2),
)
@example("12341234", {5}, Action.MASK, [])
@example("1111b", {4}, Action.MASK, [])
def test_detectors_that_look_closer_give_the_same_in_windows(
    text: str, cuts: set[int], act: Action, rules: list[tuple[Tree, Action]]
) -> None:
    """What a detector says of a window of a stream is not what it says of the whole text."""
    detector = Local(_even, Scope.SPAN, ("[0-9]{2,4}",), left_context=1)
    listed = [rule("even", {"local": {}}, act)]
    listed += [rule(f"r{n}", patterns(regex(tree)), a) for n, (tree, a) in enumerate(rules)]
    guarding = guard(plan(*listed, extra=[kind(detector)]))
    out = run(stream(guarding, map(TextDelta, pieces(text, cuts))))
    failed = [m.span() for m in re.finditer("[0-9]{2,4}", text) if "9" in m.group()]
    readable = text[: failed[0][0]] if failed else text
    spans = [(span, act) for span in _even(readable)]
    spans += [((at, at), Action.BLOCK) for at, _ in failed[:1]]
    spans += [(span, a) for tree, a in rules for span in matches(tree, text)]
    want = _expected(text, spans)
    assert (text_of(out), bool(guarding.stops)) == (want.text, want.stops)


LONG = st.tuples(
    st.text("ab _1\u4e2d\uff41\u200b", min_size=1, max_size=9), st.integers(8, 30)
).map(lambda drawn: drawn[0] * drawn[1])


@settings(LAW, max_examples=500)
@given(RULES, LONG, st.integers(1, 40))
@example([(One("a"), Action.MASK)], "1234" * 40, 3)
def test_what_is_forgotten_of_a_long_text_is_not_missed(
    rules: list[tuple[Tree, Action]], text: str, size: int
) -> None:
    """The context that is kept of released text is too short, or cut at the wrong place."""
    detector = Local(_even, Scope.SPAN, ("[0-9]{2,4}",), left_context=1)
    listed = [rule(f"r{n}", patterns(regex(tree)), act) for n, (tree, act) in enumerate(rules)]
    listed.append(rule("even", {"local": {}}, Action.MASK))
    guarding = guard(plan(*listed, extra=[kind(detector)]))
    cuts = range(0, len(text), size)
    out = run(stream(guarding, map(TextDelta, pieces(text, cuts))))
    spans = [(span, act) for tree, act in rules for span in _in_all_readings(text, tree)]
    want = _expected(text, spans + [(span, Action.MASK) for span in _even(text)])
    assert (text_of(out), bool(guarding.stops)) == (want.text, want.stops)


def _bad(text: str) -> list[tuple[int, int]]:
    """The whole of it, from the first ``b``, where it has an ``a``."""
    return [(text.find("b"), len(text))] if "a" in text and "b" in text else []


@LAW
@given(
    st.text("ab.。\n ", max_size=14),
    CUTS,
    st.sampled_from([Action.MASK, Action.BLOCK]),
    st.lists(st.tuples(WORDS, st.sampled_from(ACTS)), max_size=2),
)
def test_sentences_are_judged_whole(
    text: str, cuts: set[int], act: Action, rules: list[tuple[Tree, Action]]
) -> None:
    """A part of a sentence is released before the sentence has been judged."""
    listed = [rule("bad", {"local": {}}, act)]
    listed += [rule(f"r{n}", patterns(regex(tree)), a) for n, (tree, a) in enumerate(rules)]
    guarding = guard(plan(*listed, extra=[kind(Local(_bad, Scope.SENTENCE))]))
    out = run(stream(guarding, map(TextDelta, pieces(text, cuts))))
    spans, at = [(span, a) for tree, a in rules for span in matches(tree, text)], 0
    for sentence in re.findall(r"(?s).+?(?:[。\n]|\.(?=\s)|$)", text):
        spans += [((at + start, at + end), act) for start, end in _bad(sentence)]
        at += len(sentence)
    want = _expected(text, spans)
    assert (text_of(out), bool(guarding.stops)) == (want.text, want.stops)


@LAW
@given(TEXTS, CUTS, st.sampled_from([Action.MASK, Action.BLOCK]), RULES)
def test_what_judges_the_whole_answer_holds_it(
    text: str, cuts: set[int], act: Action, rules: list[tuple[Tree, Action]]
) -> None:
    """A part of an answer is released before a rule that may stop all of it has judged."""
    listed = [rule("bad", {"local": {}}, act)]
    listed += [rule(f"r{n}", patterns(regex(tree)), a) for n, (tree, a) in enumerate(rules)]
    guarding = guard(plan(*listed, extra=[kind(Local(_bad))]))
    for piece in pieces(text, cuts):
        assert guarding.feed(TextDelta(piece)) == []
    out = run(guarding.finish(Finish(FinishReason.STOP)))
    spans = [(span, a) for tree, a in rules for span in matches(tree, text)]
    if act is Action.BLOCK and _bad(text):
        spans = [((0, 0), act)]
    elif _bad(text):
        spans.append((_bad(text)[0], act))
    want = _expected(text, spans)
    assert (text_of(out), bool(guarding.stops)) == (want.text, want.stops)


def _in_all_readings(text: str, tree: Tree, *, is_json: bool = False) -> list[tuple[int, int]]:
    """Matches in every reading of the whole text, as places in it; escapes are taken in whole."""
    spans = []
    for layer in Passage(text, is_json=is_json, is_whole=False).layers:
        spans += [layer.span(*span) for span in matches(tree, layer.text)]
    if not is_json:
        return spans
    whole = []
    for start, end in spans:
        for escape in re.finditer(r"\\u[dD][89ab].{2}\\u[dD][cdef].{2}|\\u[0-9a-f]{4}|\\.", text):
            start = escape.start() if escape.start() < start < escape.end() else start  # noqa: PLW2901
            end = escape.end() if escape.start() < end < escape.end() else end  # noqa: PLW2901
        whole.append((start, end))
    return whole


INVISIBLE = "\u200b" * 20
DISGUISED = st.text("ab \u200b\uff41\uff42\u0430\u0301\ufb01f\u4e2d", max_size=12)


@LAW
@given(RULES, DISGUISED, CUTS)
@example([(Row((One("a"), One("b"))), Action.MASK)], "a\u200b\u200bb", {1, 2, 3})
@example([(Row((At(r"\B"), One("a"))), Action.MASK)], f"x{INVISIBLE}a ", set(range(1, 24)))
def test_disguised_text_is_held_as_what_it_reads_like(
    rules: list[tuple[Tree, Action]], text: str, cuts: set[int]
) -> None:
    """A word in invisible, wide or foreign letters leaves in part when it is cut in mid-letter."""
    guarding = guard(compiled(rules))
    out = run(stream(guarding, map(TextDelta, pieces(text, cuts))))
    want = _expected(
        text, [(span, act) for tree, act in rules for span in _in_all_readings(text, tree)]
    )
    assert (text_of(out), bool(guarding.stops)) == (want.text, want.stops)


ESCAPED = st.lists(
    st.sampled_from(
        ["a", "b", " ", "_", r"\u0061", r"\u0062", r"\n", r"\"", r"\\", r"\/", r"\ud83d\ude00",
         r"\ud83d",
         "u0061", r"\uff41", "\uff42", r"\u200b"]
    ),
    max_size=8,
).map("".join)  # fmt: skip


@LAW
@given(RULES, ESCAPED, st.sets(st.integers(1, 60), max_size=20))
@example([(Row((One("a"), One("b"))), Action.MASK)], r"\u0061b", {7, 8, 9, 10, 11})
def test_arguments_are_held_as_what_their_json_says(
    rules: list[tuple[Tree, Action]], inner: str, cuts: set[int]
) -> None:
    """What a rule hides is spelt in escapes, or in half of one, and reaches a tool."""
    text = f'{{"k":"{inner}"}}'
    guarding = guard(compiled(rules, Stage.TOOL_CALL))
    out = run(stream(guarding, [ToolCallDelta(0, piece) for piece in pieces(text, cuts)]))
    want = _expected(
        text,
        [(s, act) for tree, act in rules for s in _in_all_readings(text, tree, is_json=True)],
    )
    got = "".join(_text(event) for event in out if isinstance(event, ToolCallDelta))
    assert (got, bool(guarding.stops)) == (want.text, want.stops)
