"""The Stream law for images: each leaves as a code point would that stands at its place.

An image at place *p* of its choice's text leaves where *p* is not beyond *b*, after *T(x[:p])* and
before the rest, however the text is cut; *p* inside a rewrite is at its end. Where an answer that
was held stops, none leaves.
"""

from collections.abc import Iterable, Mapping, Sequence

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.domain.events import ImageDelta, ReasoningDelta, StreamEvent, TextDelta
from app.domain.policy import Action, MediaBounds
from app.guardrails.detector import Scope
from app.guardrails.plan import PolicyPlan
from app.guardrails.pseudonyms import Minter
from app.guardrails.release import OutputGuard
from tests.guardrails.building import (
    KEY,
    NOW,
    OUTSIDE,
    SCOPE,
    Local,
    kind,
    patterns,
    plan,
    rule,
    run,
    stream,
)
from tests.guardrails.grammar import One, Row, Tree, matches, regex
from tests.laws.test_round_trip import FREE, PROSE, VALUES, pseudonymized
from tests.laws.test_stream import CUTS, MASK, RULES, TEXTS, _expected, _unions, compiled

ANY = MediaBounds(frozenset({"image/png"}), 100, 9, "minor")
PLACES = st.lists(st.integers(0, 14), min_size=1, max_size=3)
LAW = settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
A = "AAAA"


def guard(compiled: PolicyPlan, minter: Minter | None = None) -> OutputGuard:
    """A guard that lets images out."""
    minter = minter or Minter(KEY, SCOPE)
    return OutputGuard(compiled, "public", minter=minter, now=NOW, outside=OUTSIDE, images=ANY)


def mixed(text: str, cuts: Iterable[int], places: Iterable[int]) -> list[StreamEvent]:
    """A text with images at these places of it, cut there and elsewhere."""
    wanted = sorted(min(place, len(text)) for place in places)
    ends = sorted({*(cut for cut in cuts if cut < len(text)), *wanted, len(text)})
    events: list[StreamEvent] = []
    at = 0
    for end in ends:
        if end > at:
            events.append(TextDelta(text[at:end]))
        at = end
        events += [ImageDelta("image/png", A) for place in wanted if place == end]
    return events


def joined(events: Iterable[StreamEvent]) -> str:
    """The answer, with ``|`` where an image stands."""
    texts = (each.text if isinstance(each, TextDelta) else "|" for each in events if _shows(each))
    return "".join(texts)


def _shows(event: StreamEvent) -> bool:
    return isinstance(event, TextDelta | ImageDelta)


def law(text: str, places: Sequence[int], spans: list[tuple[tuple[int, int], Action]]) -> str:
    """*T(x[:b])* with every image at its place, straight from the law."""
    want = _expected(text, spans)
    hidden = _unions([span for span, act in spans if act is Action.MASK])
    moved = [
        next((stop for start, stop in hidden if start < place < stop), place)
        for place in (min(each, len(text)) for each in places)
        if place <= want.end
    ]
    out = ""
    for at in range(want.end + 1):
        out += "|" * moved.count(at)
        for start, stop in hidden:
            if start == at and stop <= want.end:
                out += MASK
        if at < want.end and not any(start <= at < stop for start, stop in hidden):
            out += text[at]
    return out


def word(letters: str) -> Tree:
    """A pattern of these letters."""
    return Row(tuple(map(One, letters)))


@LAW
@given(RULES, TEXTS, CUTS, PLACES)
@example([(Row((One("a"), One("b"))), Action.BLOCK)], "xab", {1}, [1, 2])
@example([(Row((One("a"), One("b"))), Action.MASK)], "aab", {1}, [1, 2, 3])
@example(
    [(word("aa"), Action.MASK), (word("a__a"), Action.MASK), (word("__b"), Action.BLOCK)],
    "aa__b",
    {4},
    [2, 4],
)
def test_images_keep_their_places(
    rules: list[tuple[Tree, Action]], text: str, cuts: set[int], places: list[int]
) -> None:
    """An image leaves before the text before it is decided, or after it was blocked, or moves."""
    guarding = guard(compiled(rules))
    out = run(stream(guarding, mixed(text, cuts, places)))
    spans = [(span, act) for tree, act in rules for span in matches(tree, text)]
    assert joined(out) == law(text, places, spans)


@LAW
@given(TEXTS, CUTS, PLACES, st.sampled_from([Action.MASK, Action.BLOCK]), RULES)
@example("", set(), [0], Action.BLOCK, [(One("x"), Action.FLAG)])
def test_images_wait_with_an_answer_that_is_held(
    text: str, cuts: set[int], places: list[int], act: Action, rules: list[tuple[Tree, Action]]
) -> None:
    """An image leaves of an answer that a rule over the whole of it then stops."""
    whole = Local(lambda said: [(0, len(said))] if "ab" in said else [], Scope.RESPONSE)
    listed = [rule("whole", {"local": {}}, act)]
    listed += [rule(f"r{n}", patterns(regex(tree)), a) for n, (tree, a) in enumerate(rules)]
    guarding = guard(plan(*listed, extra=[kind(whole)]))
    events = mixed(text, cuts, places)
    for event in events:
        assert guarding.feed(event) == []
    out = run(stream(guarding, []))
    spans = [(span, a) for tree, a in rules for span in matches(tree, text)]
    if "ab" in text and act is Action.MASK:
        spans.append(((0, len(text)), act))
    if bool(guarding.stops):
        assert not [event for event in out if isinstance(event, ImageDelta)]
    else:
        assert joined(out) == law(text, places, spans)


@LAW
@given(
    st.lists(st.tuples(PROSE, VALUES), min_size=1, max_size=3),
    PROSE,
    st.sets(st.integers(1, 160), max_size=12),
    st.lists(st.integers(0, 160), min_size=1, max_size=3),
)
def test_images_keep_their_places_among_values(
    parts: list[tuple[str, str]], last: str, cuts: set[int], places: list[int]
) -> None:
    """An image moves in a text whose values are put back, or keeps one from coming back."""
    text = "".join(prose + value for prose, value in parts) + last
    minter = Minter(KEY, SCOPE)
    sent = pseudonymized(text, minter)
    tokens: Mapping[str, str] = {name: each.value for name, each in minter.minted.items()}
    guarding = guard(FREE, minter)
    out = run(stream(guarding, mixed(sent, cuts, places)))
    wanted, at = "", 0
    waiting = sorted(min(place, len(sent)) for place in places)
    while at <= len(sent):
        while waiting and waiting[0] <= at:
            wanted += "|"
            waiting.pop(0)
        token = next((name for name in tokens if sent.startswith(name, at)), None)
        wanted += tokens[token] if token is not None else sent[at : at + 1]
        at += len(token) if token is not None else 1
    assert joined(out) == wanted


def test_an_image_does_not_wait_for_text_that_follows_it() -> None:
    """A user waits for a picture that nothing could stop any more."""
    guarding = guard(plan(rule("r", patterns("ab"), Action.BLOCK)))
    image = ImageDelta("image/png", A)
    assert guarding.feed(image) == [image]
    assert guarding.feed(TextDelta("xa")) == [TextDelta("x")]
    assert guarding.feed(image) == []
    assert guarding.feed(TextDelta("c")) == [TextDelta("a"), image, TextDelta("c")]


def test_an_image_ends_the_reasoning_before_it() -> None:
    """An image leaves before reasoning that stops the answer was looked at."""
    guarding = guard(plan(rule("r", patterns("ab"), Action.BLOCK)))
    assert guarding.feed(ReasoningDelta("xab")) == []
    out = guarding.feed(ImageDelta("image/png", A))
    assert not [event for event in out if isinstance(event, ImageDelta)]
    assert bool(guarding.stops)
