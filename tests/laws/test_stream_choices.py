"""The Stream law for several choices at once, and for the tokens that are told beside a text.

Each choice is judged as if it were alone, by the oracle of ``test_stream``: a client that streams
gets *T(x[:b])* of each, then the reply where that one was blocked; one that does not gets *T(x)* of
each, or the reply alone. What is told as tokens is, joined, what was given as text.
"""

import re
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import orjson
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.api.delivery import Encoder
from app.api.openai_chat_answer import ChatStream, ChatWhole
from app.domain.conversation import Conversation, Sampling
from app.domain.decision import Outcome
from app.domain.events import (
    UNKNOWN,
    Finish,
    FinishReason,
    StreamEvent,
    TextDelta,
    Token,
    TokenDelta,
)
from app.domain.policy import Action
from app.domain.record import Status
from app.guardrails.context import NO_CONTEXT
from app.guardrails.pseudonyms import Minter
from app.guardrails.release import OutputGuard
from app.pipeline.answer import Closed, ExchangeEvent, Opened, Stopped, Summary
from app.pipeline.answering import Answering, Halted
from app.pipeline.conduct import Measuring
from tests.guardrails.building import (
    KEY,
    OUTSIDE,
    SCOPE,
    guard,
    patterns,
    pieces,
    plan,
    rule,
    run,
    stream,
    text_of,
    words,
)
from tests.guardrails.grammar import Tree
from tests.laws.test_stream import ALPHABET, RULES, compiled, expected
from tests.pipeline.holdings import holding

Json = Any
REPLY = "I'd rather not."
LINK = "http://bad.example/x"
LAW = settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
FED = st.lists(
    st.tuples(st.integers(0, 2), st.text(ALPHABET + "é中", min_size=1, max_size=4)), max_size=12
)
"""What comes of three choices, in turns."""


def texts_of(fed: Sequence[tuple[int, str]]) -> list[str]:
    """The whole text of each choice."""
    return ["".join(text for number, text in fed if number == each) for each in range(3)]


@LAW
@given(RULES, FED)
def test_each_choice_is_judged_as_if_it_were_alone(
    rules: list[tuple[Tree, Action]], fed: list[tuple[int, str]]
) -> None:
    """One choice is cut off because of another, or one that was blocked goes on."""
    guarding = guard(compiled(rules))
    events = [TextDelta(text, number) for number, text in fed]
    out = run(stream(guarding, events, choices=(2, 0, 1)))
    for number, text in enumerate(texts_of(fed)):
        want = expected(text, rules)
        said = [event for event in out if isinstance(event, TextDelta) and event.choice == number]
        assert (text_of(said), number in guarding.stops) == (want.text, want.stops)
        assert (Finish(FinishReason.STOP, number) in out) != want.stops


class Provider:
    """Gives events, and remembers whether all of them were wanted."""

    def __init__(self, events: Sequence[StreamEvent]) -> None:
        self._events = events
        self.was_read_on = False

    async def stream(self, _asked: Conversation) -> AsyncGenerator[StreamEvent, None]:
        """The events, then one more that is of no choice that still runs."""
        for event in self._events:
            yield event
        self.was_read_on = True


def asked(*, logprobs: bool = False) -> Conversation:
    """A request for three choices."""
    return Conversation("p", (), sampling=Sampling(choices=3, logprobs=logprobs))


async def answered(make: OutputGuard, provider: Provider, *encoders: Encoder) -> list[bytes]:
    """What each encoder makes of the answer; the exchange's part of it is told in short."""
    answering = Answering(lambda: make, provider.stream, Measuring((), None, 0), holding())
    made = [encoder.add(Opened("r", "p", None, "c", Outcome.ALLOW)) for encoder in encoders]
    async for event in answering.run(asked(), NO_CONTEXT, OUTSIDE):
        events: list[ExchangeEvent] = []
        if isinstance(event, Halted):
            events.append(Stopped(event.outcome, REPLY, is_error=False, choice=event.choice))
            events.append(Finish(FinishReason.CONTENT_FILTER, event.choice))
        else:
            events.append(event)
        for each in events:
            made = [old + new.add(each) for old, new in zip(made, encoders, strict=True)]
    await answering.conclude()
    last = Closed(Summary("r", "p", None, "c", Outcome.ALLOW, Status.COMPLETED))
    return [old + new.add(last) for old, new in zip(made, encoders, strict=True)]


def streamed(body: bytes) -> list[tuple[str, str, str]]:
    """Text, tokens joined, and finish of each choice of a stream."""
    text, tokens, finish = [""] * 3, [""] * 3, [""] * 3
    for line in body.split(b"\n\n"):
        if not line or line.endswith(b"[DONE]"):
            continue
        for choice in orjson.loads(line.removeprefix(b"data: "))["choices"]:
            number = choice["index"]
            assert not finish[number], "a choice goes on after its end"
            text[number] += choice["delta"].get("content") or ""
            tokens[number] += joined(choice.get("logprobs"))
            finish[number] = choice["finish_reason"] or ""
    return list(zip(text, tokens, finish, strict=True))


def whole(body: bytes) -> list[tuple[str, str, str]]:
    """The same of an answer that comes whole."""
    return [
        (each["message"]["content"], joined(each.get("logprobs")), each["finish_reason"])
        for each in orjson.loads(body)["choices"]
    ]


def joined(logprobs: Json) -> str:
    """What tokens say, and what their bytes say."""
    content = (logprobs or {"content": []})["content"]
    said = "".join(each["token"] for each in content)
    assert bytes(byte for each in content for byte in each["bytes"]).decode() == said
    assert all(each["top_logprobs"] == [] for each in content)
    return said


@LAW
@given(RULES, FED, st.permutations(range(3)))
def test_what_a_client_gets_of_each_choice(
    rules: list[tuple[Tree, Action]], fed: list[tuple[int, str]], order: list[int]
) -> None:
    """A client gets too much of a blocked choice, no reply for it, or less of another."""
    ends = [Finish(FinishReason.STOP, number) for number in order]
    provider = Provider([*(TextDelta(text, number) for number, text in fed), *ends])
    encoders = ChatStream(0), ChatWhole(0)
    in_parts, at_once = run(answered(guard(compiled(rules)), provider, *encoders))
    wants = [expected(text, rules) for text in texts_of(fed)]
    replies = [REPLY if want.stops else "" for want in wants]
    ended = ["content_filter" if want.stops else "stop" for want in wants]
    assert [(text, end) for text, _, end in streamed(in_parts)] == [
        (want.text + reply, end) for want, reply, end in zip(wants, replies, ended, strict=True)
    ]
    assert [(text, end) for text, _, end in whole(at_once)] == [
        (reply or want.text, end) for want, reply, end in zip(wants, replies, ended, strict=True)
    ]
    assert provider.was_read_on or any(want.stops for want in wants)


def test_the_model_is_read_until_every_choice_has_ended_or_stopped() -> None:
    """A choice that may go on is cut off, or one that nobody waits for is paid for to its end."""
    blocking = plan(rule("block", words("bad"), Action.BLOCK))
    events: list[StreamEvent] = [TextDelta("bad ", 0), TextDelta("good ", 1), TextDelta("bad ", 2)]
    going_on = Provider([*events, TextDelta("on", 1), Finish(FinishReason.STOP, 1), events[0]])
    in_parts = run(answered(guard(blocking), going_on, ChatStream(0)))[0]
    assert [text for text, *_ in streamed(in_parts)] == [REPLY, "good on", REPLY]
    assert not going_on.was_read_on
    stopped = Provider([*events, TextDelta("bad ", 1), TextDelta("more", 0)])
    in_parts = run(answered(guard(blocking), stopped, ChatStream(0)))[0]
    assert [text for text, *_ in streamed(in_parts)] == [REPLY, "good " + REPLY, REPLY]
    assert not stopped.was_read_on


TOKENS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.lists(st.text(ALPHABET + "é中", min_size=1, max_size=3), max_size=3),
        st.booleans(),
    ),
    max_size=9,
)
"""Texts of several tokens, in turns; or one text of which no token is known."""


def delta(number: int, tokens: Sequence[str], *, is_late: bool) -> TokenDelta:
    """Text with its tokens."""
    made = tuple(Token(token, -float(at)) for at, token in enumerate(tokens))
    return TokenDelta("".join(tokens), number, () if is_late else made)


def with_tokens(drawn: Sequence[tuple[int, list[str], bool]]) -> list[TokenDelta]:
    """The texts, some of whose tokens come with the next text of the choice."""
    events: list[TokenDelta] = []
    late: dict[int, tuple[Token, ...]] = {}
    for number, tokens, is_late in drawn:
        told = delta(number, tokens, is_late=False)
        if is_late:
            late[number] = late.get(number, ()) + told.tokens
            events.append(TokenDelta(told.text, number))
        else:
            before = late.pop(number, ())
            events.append(TokenDelta(told.text, number, before + told.tokens))
    return events


def check_tokens(out: Sequence[StreamEvent | Halted], number: int) -> list[Token]:
    """The tokens of a choice; at no time do they say what has not left."""
    left, tokens = "", list[Token]()
    for event in out:
        if isinstance(event, TextDelta) and event.choice == number:
            assert isinstance(event, TokenDelta)
            left += event.text
            tokens += event.tokens
            assert left.startswith("".join(token.text for token in tokens))
    assert left == "".join(token.text for token in tokens)
    return tokens


@LAW
@given(st.one_of(st.just([]), RULES), TOKENS)
@example([], [(0, ["ab", "é"], False), (0, ["a"], True), (1, ["b"], True)])
def test_tokens_say_what_left_and_no_more(
    rules: list[tuple[Tree, Action]], drawn: list[tuple[int, list[str], bool]]
) -> None:
    """A token shows what a rule hid or stopped, or text leaves that no token tells of."""
    events = with_tokens(drawn)
    made = guard(compiled(rules))
    ends = [Finish(FinishReason.STOP, number) for number in range(3)]
    provider = Provider([*events, *ends])
    answering = Answering(lambda: made, provider.stream, Measuring((), None, 0), holding())

    async def collect() -> list[StreamEvent | Halted]:
        request = asked(logprobs=True)
        return [event async for event in answering.run(request, NO_CONTEXT, OUTSIDE)]

    out = run(collect())
    for number in range(3):
        tokens = check_tokens(out, number)
        text = "".join(event.text for event in events if event.choice == number)
        want = expected(text, rules)
        assert "".join(token.text for token in tokens) == want.text
        if not rules:  # nothing is changed: every token is as the model gave it
            given_ = [token for event in events if event.choice == number for token in event.tokens]
            assert tokens[: len(given_)] == given_
        known = {(token.text, token.logprob) for event in events for token in event.tokens}
        assert all(
            (token.text, token.logprob) in known or token.logprob == UNKNOWN for token in tokens
        )


@LAW
@given(RULES, FED, st.permutations(range(3)))
def test_what_a_client_is_told_of_tokens(
    rules: list[tuple[Tree, Action]], fed: list[tuple[int, str]], order: list[int]
) -> None:
    """The tokens of an answer are not its text, streamed or whole, also where it was blocked."""
    texts = [delta(number, list(text), is_late=False) for number, text in fed]
    provider = Provider([*texts, *(Finish(FinishReason.STOP, number) for number in order)])
    encoders = ChatStream(0, wants_logprobs=True), ChatWhole(0, wants_logprobs=True)
    in_parts, at_once = run(answered(guard(compiled(rules)), provider, *encoders))
    for text, tokens, _ in (*streamed(in_parts), *whole(at_once)):
        assert tokens == text


@LAW
@given(
    st.lists(st.sampled_from(["<", " NAME_", " hi ", "TOKEN", f" {LINK} "]), max_size=8),
    st.sets(st.integers(1, 80)),
    st.booleans(),
)
def test_tokens_of_values_that_come_back(
    parts: list[str],
    cuts: set[int],
    has_exit: bool,  # noqa: FBT001  # drawn
) -> None:
    """A token shows the pseudonym in place of the value, a part of either, or a hidden link."""
    minter = Minter(KEY, SCOPE)
    token = minter.mint("NAME", "Ada Lovelace")
    text = "".join(token if part == "TOKEN" else part for part in parts)
    links = rule("links", {"links": {"allow": ["ours.example"]}}, Action.MASK)
    compiled_ = plan(rule("mask", patterns("hi"), Action.MASK), *([links] if has_exit else []))
    out = run(
        stream(
            guard(compiled_, minter=minter),
            [TokenDelta(piece, 0, (Token(piece, -1.0),)) for piece in pieces(text, cuts)],
        )
    )
    told = check_tokens(out, 0)
    hidden = f"hi|{LINK}" if has_exit else "hi"
    shown = re.sub(hidden, "[removed]", text).replace(token, "Ada Lovelace")
    assert "".join(each.text for each in told) == shown
    changed = [match.span() for match in re.finditer(f"{re.escape(token)}|{hidden}", text)]
    at, kept = 0, list[str]()
    for piece in pieces(text, cuts):
        start, at = at, at + len(piece)
        if not any(first < at and start < end for first, end in changed):
            kept.append(piece)
    assert [each.text for each in told if each.logprob != UNKNOWN] == kept


async def test_tokens_of_a_text_that_is_left_as_it_is_stay_as_they_are() -> None:
    """Every token becomes unknown as soon as there is a rule, or a word that could begin."""
    policy = plan(
        rule("mask", words("bad"), Action.MASK),
        rule("add", words("dose"), Action.STEER, append=" +"),
    )
    said = [Token("A", -0.1), Token(" dose", -0.2), Token(" b", -0.3), Token("ad", -0.4)]
    said += [Token(" ba", -0.5), Token("g.", -0.6)]
    out = await stream(guard(policy), [TokenDelta(token.text, 0, (token,)) for token in said])
    assert check_tokens(out, 0) == [
        *said[:2],
        Token(" [removed]"),
        *said[4:],
        Token(" +"),
    ]
