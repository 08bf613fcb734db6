"""Which models are asked, in which order, how often, and what is kept of it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from app.backends.routing import Asker, Way, needed, targets_for
from app.domain.catalog import Feature, Route, Target, When
from app.domain.conversation import (
    Conversation,
    Effort,
    FilePart,
    ImagePart,
    Inline,
    JsonFormat,
    Message,
    Origin,
    Part,
    Reasoning,
    Role,
    Sampling,
    TextPart,
    Tool,
)
from app.domain.errors import BackendError, BackendProblem, RequestError
from app.domain.events import Finish, FinishReason, StreamEvent, TextDelta
from app.domain.protocols import Backend
from app.domain.wanted import Embeddings, Pictures, Wanted
from app.main import SystemClock

ASKED = Conversation("lexi", (Message(Role.USER, Origin.CLIENT, (TextPart("Hello"),)),))
ASKER = Asker("lexi", "public", 0)
ANSWER: tuple[StreamEvent, ...] = (TextDelta("Hi"), Finish(FinishReason.STOP))

Said = tuple[StreamEvent | Exception, ...]


def problem(kind: BackendProblem = BackendProblem.FAILED, after_s: float | None = None) -> Said:
    """A try that fails before anything was said."""
    return (BackendError(kind, "no", retry_after_s=after_s),)


@dataclass
class Player(Backend):
    """Plays one try after the other; the last one again and again."""

    tries: tuple[Said, ...]
    wait_s: float = 0
    asked: list[str] = field(default_factory=list)
    open: int = 0

    @override
    async def stream(
        self, conversation: Conversation, model: str
    ) -> AsyncGenerator[StreamEvent, None]:
        said = self.tries[min(len(self.asked), len(self.tries) - 1)]
        self.asked.append(model)
        self.open += 1
        try:
            await asyncio.sleep(self.wait_s)
            for event in said:
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            self.open -= 1

    @override
    async def close(self) -> None:
        return None


def way(route: Route, **backends: Player) -> Way:
    """A way along all targets of a route."""
    return Way(route, targets_for(route, ASKER, ASKED, 0, backends), backends, SystemClock())


PLAYERS = {name: Player(()) for name in "ab"}


def chosen(route: Route, asked: Conversation = ASKED, tokens: int = 0) -> list[str]:
    """The backends that are asked."""
    return [each.backend for each in targets_for(route, ASKER, asked, tokens, PLAYERS)]


async def answer(taken: Way) -> list[StreamEvent]:
    """What comes of it."""
    return [event async for event in taken.stream(ASKED)]


def chain(*backends: str, retries: int = 0, deadline_ms: int | None = None) -> Route:
    """A route to the first of these, with the others behind it."""
    first, *rest = (Target(name, f"{name}-model") for name in backends)
    return Route("r", (first,), tuple(rest), retries, deadline_ms)


async def test_the_next_one_answers_where_one_fails() -> None:
    """A provider that is down takes the product down with it."""
    for kind in BackendProblem:
        one, two = Player((problem(kind),)), Player((ANSWER,))
        taken = way(chain("one", "two"), one=one, two=two)
        assert await answer(taken) == list(ANSWER)
        assert [(each.model, each.problem) for each in taken.attempts] == [
            ("one-model", kind.value),
            ("two-model", None),
        ]
        assert (one.open, two.open) == (0, 0)


async def test_nothing_is_asked_again_once_something_was_said() -> None:
    """A user would read the beginning of one model's answer and the end of another's."""
    broken: Said = (TextDelta("Hi"), *problem())
    one, two = Player((broken,)), Player((ANSWER,))
    taken = way(chain("one", "two", retries=3), one=one, two=two)
    with pytest.raises(BackendError):
        await answer(taken)
    assert (len(one.asked), two.asked) == (1, [])
    assert [each.problem for each in taken.attempts] == ["failed"]


async def test_a_moment_is_waited_out() -> None:
    """One lost connection is an error that users see."""
    one = Player((problem(), problem(BackendProblem.RATE_LIMITED, 0.01), ANSWER))
    taken = way(chain("one", retries=2), one=one)
    assert await answer(taken) == list(ANSWER)
    assert [each.problem for each in taken.attempts] == ["failed", "rate_limited", None]


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(problem(BackendProblem.UNAUTHORIZED), id="a key that is refused"),
        pytest.param(problem(BackendProblem.REJECTED), id="a request that is refused"),
        pytest.param(problem(BackendProblem.BROKEN), id="an answer that cannot be read"),
        pytest.param(problem(BackendProblem.RATE_LIMITED, 60), id="a provider wants a minute"),
        pytest.param((RequestError("lacks it"),), id="a protocol that lacks something"),
    ],
)
async def test_what_time_does_not_heal_is_not_tried_again(said: Said) -> None:
    """The same mistake is made three times, and the caller waits for all three."""
    one, two = Player((said,)), Player((ANSWER,))
    assert await answer(way(chain("one", "two", retries=3), one=one, two=two)) == list(ANSWER)
    assert len(one.asked) == 1


async def test_the_caller_learns_of_the_last_failure() -> None:
    """Where all fail the error is none of theirs, or a request's mistake looks like an outage."""
    with pytest.raises(BackendError) as failed:
        await answer(
            way(
                chain("one", "two"),
                one=Player((problem(BackendProblem.CONNECT),)),
                two=Player((problem(BackendProblem.REJECTED),)),
            )
        )
    assert failed.value.problem is BackendProblem.REJECTED
    lacks = [Player(((RequestError("first"),),)), Player(((RequestError("second"),),))]
    with pytest.raises(RequestError, match="first"):
        await answer(way(chain("one", "two"), one=lacks[0], two=lacks[1]))


async def test_a_deadline_holds_for_the_whole_chain() -> None:
    """Each model would get the whole time again, and the caller waits for the sum."""
    slow = [Player((ANSWER,), wait_s=30) for _ in range(2)]
    taken = way(chain("one", "two", retries=2, deadline_ms=40), one=slow[0], two=slow[1])
    async with asyncio.timeout(20):
        with pytest.raises(BackendError) as failed:
            await answer(taken)
    assert failed.value.problem is BackendProblem.TIMEOUT
    assert {each.problem for each in taken.attempts} == {"timeout"}
    assert [one.open for one in slow] == [0, 0]


async def test_a_deadline_does_not_cut_an_answer_that_has_begun() -> None:
    """A long answer would end in the middle of a sentence."""

    class Slow(Player):
        @override
        async def stream(
            self, conversation: Conversation, model: str
        ) -> AsyncGenerator[StreamEvent, None]:
            yield ANSWER[0]
            await asyncio.sleep(0.1)
            yield ANSWER[1]

    assert await answer(way(chain("one", deadline_ms=50), one=Slow(()))) == list(ANSWER)


async def test_an_answer_that_is_closed_early_is_closed_at_the_model() -> None:
    """A client that leaves would be paid for to the end."""
    one = Player((ANSWER,))
    async with aclosing(way(chain("one", retries=1), one=one).stream(ASKED)) as stream:
        await anext(stream)
    assert one.open == 0


def _asked(*parts: Part, **more: Any) -> Conversation:  # noqa: ANN401  # fields of the request
    return replace(ASKED, messages=(Message(Role.USER, Origin.CLIENT, parts),), **more)


@pytest.mark.parametrize(
    ("asked", "needs"),
    [
        (ASKED, set()),
        (_asked(tools=(Tool("f"),)), {Feature.TOOLS}),
        (_asked(ImagePart(Inline("image/png", "aGk="))), {Feature.IMAGES}),
        (_asked(FilePart(Inline("application/pdf", "aGk="))), {Feature.FILES}),
        (_asked(response_format=JsonFormat()), set()),
        (_asked(response_format=JsonFormat({"type": "object"})), {Feature.JSON_SCHEMA}),
        (_asked(sampling=Sampling(reasoning=Reasoning(Effort.LOW))), {Feature.REASONING}),
        (_asked(sampling=Sampling(choices=2)), {Feature.CHOICES}),
        (_asked(sampling=Sampling(logprobs=True)), {Feature.LOGPROBS}),
        (_asked(wanted=Embeddings()), {Feature.EMBEDDINGS}),
        (_asked(wanted=Pictures()), {Feature.PICTURES}),
    ],
)
def test_what_a_request_needs(asked: Conversation, needs: set[Feature]) -> None:
    """A picture is sent to a model that cannot see, and its answer is made up."""
    assert needed(asked) == needs


@pytest.mark.parametrize("wanted", [Embeddings(), Pictures()])
async def test_a_protocol_that_gives_only_turns_is_asked_for_nothing_else(wanted: Wanted) -> None:
    """A model is asked to talk about texts that were to become vectors, and it is paid for."""

    class Giving(Player):
        gives = frozenset({Feature.EMBEDDINGS, Feature.PICTURES})

    asked = _asked(TextPart("Hello"), wanted=wanted)
    one, two = Player((ANSWER,)), Giving((ANSWER,))
    taken = way(chain("one", "two", retries=1), one=one, two=two)
    assert [event async for event in taken.stream(asked)] == list(ANSWER)
    assert (one.asked, two.asked) == ([], ["two-model"])
    assert [each.problem for each in taken.attempts] == ["cannot_carry", None]
    with pytest.raises(RequestError, match="gives no") as refused:
        [event async for event in way(chain("one"), one=one).stream(asked)]
    assert refused.value.code == "no_route"


def _only(**more: Any) -> Route:  # noqa: ANN401  # fields of the target
    return Route("r", (replace(Target("a", "m"), **more),), (Target("b", "n"),))


def test_conditions_pass_a_request_on() -> None:
    """A rule of the operator that looks right has no effect."""
    minors = _only(when=When(audience=("minor",)))
    assert chosen(minors) == ["b"]
    others = _only(when=When(persona=("tutor",)))
    assert chosen(others) == ["b"]
    short = _only(when=When(max_context_tokens=100))
    assert chosen(short, tokens=100) == ["a", "b"]
    assert chosen(short, tokens=101) == ["b"]
    blind = _only(lacks=frozenset({Feature.TOOLS}))
    assert chosen(blind) == ["a", "b"]
    assert chosen(blind, _asked(tools=(Tool("f"),))) == ["b"]


async def test_what_a_protocol_lacks_is_asked_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider answers once where several answers were asked for, or without their tokens."""
    able = Player((ANSWER,))
    monkeypatch.setitem(PLAYERS, "b", able)
    able.gives = frozenset({Feature.CHOICES, Feature.LOGPROBS})
    several = _asked(sampling=Sampling(choices=2))
    assert chosen(_only()) == ["a", "b"]
    assert chosen(_only(), several) == ["b"]
    assert chosen(_only(), _asked(sampling=Sampling(logprobs=True))) == ["b"]
    able.gives = frozenset({Feature.LOGPROBS})
    with pytest.raises(RequestError, match="all that is asked: choices"):
        chosen(_only(), several)


@pytest.mark.parametrize(
    ("target", "asked", "tokens", "code", "says"),
    [
        (Target("a", "m", when=When(audience=("minor",))), ASKED, 0, "no_route", "audience"),
        (
            Target("a", "m", lacks=frozenset({Feature.TOOLS})),
            _asked(tools=(Tool("f"),)),
            0,
            "no_route",
            "tools",
        ),
        (
            Target("a", "m", when=When(max_context_tokens=9)),
            ASKED,
            10,
            "context_length_exceeded",
            "longer",
        ),
    ],
)
def test_a_request_that_no_model_takes_says_why(
    target: Target, asked: Conversation, tokens: int, code: str, says: str
) -> None:
    """The caller cannot tell what to change."""
    with pytest.raises(RequestError, match=says) as refused:
        chosen(Route("r", (target,)), asked, tokens)
    assert refused.value.code == code


@given(
    weights=st.lists(st.floats(0.01, 1000), min_size=1, max_size=6),
    draw=st.floats(0, 100, exclude_max=True),
)
@settings(deadline=None, max_examples=300)
def test_shares_are_as_their_weights(weights: list[float], draw: float) -> None:
    """A canary of one percent gets half of the traffic, or a draw hits nothing."""
    targets = tuple(Target(str(at), "m", weight) for at, weight in enumerate(weights))
    players = {each.backend: Player(()) for each in targets}
    asker = replace(ASKER, draw=draw)
    (drawn,) = targets_for(Route("r", targets), asker, ASKED, 0, players)
    at = int(drawn.backend)
    low, high = sum(weights[:at]), sum(weights[: at + 1])
    share = draw / 100 * sum(weights)
    assert low - 1e-6 <= share <= high + 1e-6
