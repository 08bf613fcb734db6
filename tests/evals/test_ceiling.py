"""The meter: whatever is asked and however it ends, no more is spent than may be."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.conversation import Conversation, Message, Origin, Role, Sampling, TextPart
from app.domain.events import Usage
from app.domain.prices import Price
from app.domain.tokens import estimate_tokens
from app.evals.ceiling import Ceiling, Meter, most_of

TOKENS = st.integers(0, 1000)
QUESTIONS = st.lists(
    st.tuples(st.integers(0, 3), st.builds(Usage, TOKENS, TOKENS), st.floats(0, 1)), max_size=20
)
PRICES = {("b", "m"): Price(input=1.0, output=5.0)}


@settings(deadline=None)
@given(QUESTIONS, st.integers(0, 6000), st.floats(0, 0.02))
def test_no_more_is_spent_than_may_be_and_nothing_hangs(
    questions: list[tuple[int, Usage, float]], tokens: int, usd: float
) -> None:
    """Somebody would pay more than they said they would, or wait for ever."""
    meter = Meter(Ceiling(usd, tokens), PRICES)
    spent: list[Usage] = []
    refused: list[Usage] = []

    async def ask(asker: int, most: Usage, share: float) -> None:
        if not await meter.admit(str(asker), "b", "m", most):
            refused.append(most)
            return
        await asyncio.sleep(0)
        used = Usage(int(most.input_tokens * share), int(most.output_tokens * share))
        spent.append(used)
        meter.settle(str(asker), "b", "m", (most, used))

    async def ask_all() -> None:
        async with asyncio.timeout(3), asyncio.TaskGroup() as group:
            for each in questions:
                group.create_task(ask(*each))

    asyncio.run(ask_all())
    assert len(spent) + len(refused) == len(questions)
    assert sum(each.input_tokens + each.output_tokens for each in spent) <= tokens
    assert sum(PRICES["b", "m"].cost(each) for each in spent) <= usd + 1e-9
    assert bool(refused) == meter.is_closed


async def test_a_question_waits_for_room_that_others_leave() -> None:
    """A run would stop because four cases could have cost much, though none of them did."""
    meter = Meter(Ceiling(tokens=100), {})
    most = Usage(50, 30)
    assert await meter.admit("one", "b", "m", most)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(meter.admit("two", "b", "m", most))
        await asyncio.sleep(0)
        assert not waiting.done()
        meter.settle("one", "b", "m", (most, Usage(5, 5)))
    assert waiting.result()
    assert not await meter.admit("two", "b", "m", most)


@settings(deadline=None)
@given(st.text(max_size=50), st.integers(1, 50))
def test_the_most_is_no_less_than_what_we_estimate(text: str, max_tokens: int) -> None:
    """A request would be let through that costs more than was left."""
    message = Message(Role.USER, Origin.CLIENT, (TextPart(text),))
    most = most_of(Conversation("p", (message,), sampling=Sampling(max_tokens=max_tokens)))
    assert most.input_tokens >= max(estimate_tokens(text), len(text))
    assert most.output_tokens == max_tokens
