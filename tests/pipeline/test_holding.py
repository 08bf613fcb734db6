"""What the record says of how long an answer was held back is what its reader went through."""

from collections.abc import AsyncGenerator, Sequence

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from app.domain.conversation import Conversation, Message, Origin, Role, TextPart
from app.domain.events import Finish, FinishReason, StreamEvent, TextDelta
from app.domain.policy import Action
from app.domain.record import Held
from app.guardrails.behaviours import plan_behaviours
from app.guardrails.context import NO_CONTEXT
from app.guardrails.kinds import KINDS
from app.guardrails.plan import Builds
from app.pipeline.answering import Answering
from app.pipeline.conduct import Measuring
from app.pipeline.holding import Holding
from tests.guardrails.building import OUTSIDE, guard, plan, rule, run, words
from tests.ledger.exchanges import StandingClock
from tests.pipeline.test_answering import behaviour, persona, words_of

ASKED = Conversation("p", (Message(Role.SYSTEM, Origin.PERSONA, (TextPart("You are P."),)),))
POLICY = plan(rule("block", words("foob"), Action.BLOCK))
NOTHING = Measuring((), None, 0)
HELD = Measuring(
    plan_behaviours(
        persona([behaviour("no-z", words_of("z", "absent"), "block")]), Builds(dict(KINDS))
    ),
    None,
    0,
)


async def answered(chunks: Sequence[str], measuring: Measuring) -> tuple[Held, Held]:
    """What is said to be held, and what was: a second goes by before each chunk."""
    clock = StandingClock()
    holding = Holding(clock)
    came_at: list[float] = []
    came, left, longest = 0, 0, 0.0
    most = [0]

    async def model(_asked: Conversation) -> AsyncGenerator[StreamEvent, None]:
        nonlocal came
        for chunk in chunks:
            most[0] = max(most[0], came - left)
            clock.go(seconds=1)
            came += len(chunk)
            came_at.extend([clock.monotonic()] * len(chunk))
            yield TextDelta(chunk)
        most[0] = max(most[0], came - left)
        clock.go(seconds=1)
        yield Finish(FinishReason.STOP)

    answering = Answering(lambda: guard(POLICY), model, measuring, holding)
    async for event in answering.run(ASKED, NO_CONTEXT, OUTSIDE):
        if isinstance(event, TextDelta):
            gone = came_at[left : left + len(event.text)]
            left += len(event.text)
            longest = max([longest, *(clock.monotonic() - at for at in gone)])
    return holding.held, Held(most[0], longest * 1000)


CHUNKS = st.lists(st.text(alphabet="fob ", min_size=1, max_size=4), max_size=8)


@given(CHUNKS)
@example(["foo", "foo"])
@example(["f", "o", "o", "f"])
@settings(deadline=None)
def test_what_is_said_to_be_held_was_held(chunks: Sequence[str]) -> None:
    """A record would say that its reader waited longer, or less long, than they did."""
    assume("foob" not in "".join(chunks))
    said, was = run(answered(chunks, NOTHING))
    assert said == was


@given(CHUNKS)
@settings(deadline=None)
def test_a_behaviour_that_may_block_holds_all_of_it(chunks: Sequence[str]) -> None:
    """A whole answer that waits for its end would be said to have left at once."""
    assume("foob" not in "".join(chunks))
    said, was = run(answered(chunks, HELD))
    assert said == was
    assert said.most_chars == len("".join(chunks))


def test_what_never_left_did_not_wait() -> None:
    """The rest of an answer that was stopped would count as a long wait."""
    said, was = run(answered(["fo", "ob", "more"], NOTHING))
    assert said.longest_ms == was.longest_ms == 0
    assert said.most_chars == 2


def test_choices_wait_each_for_itself() -> None:
    """What one choice lets go would look as if it were the other's."""
    clock = StandingClock()
    holding = Holding(clock)
    holding.saw(0, 5, 0)
    clock.go(seconds=1)
    holding.saw(1, 9, 9)
    clock.go(seconds=1)
    holding.all_left(0)
    assert holding.held == Held(5, 2000.0)
    holding.saw(1, 12, 9)
    holding.forget()
    clock.go(seconds=9)
    holding.all_left(1)
    assert holding.held == Held(5, 2000.0)
