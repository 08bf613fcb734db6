"""What follows where an answer does not keep to a behaviour."""

import asyncio
from typing import Any

import pytest

from app.domain.conduct import Conduct
from app.domain.decision import Outcome
from app.domain.finding import CLEAN, Detection
from app.domain.persona import Behaviour, Verify
from app.domain.policy import Action
from app.guardrails.behaviours import PlannedBehaviour, look, resolve
from app.guardrails.context import NO_CONTEXT
from app.guardrails.kinds import KINDS
from app.guardrails.plan import Builds
from tests.guardrails.building import OUTSIDE, Remote, kind


def planned(
    detect: dict[str, Any],
    builds: Builds | None = None,
    **more: Any,  # noqa: ANN401  # fields
) -> PlannedBehaviour:
    """A behaviour that wants what a detector finds."""
    ((name, settings),) = detect.items()
    builds = builds or Builds(KINDS)
    made = builds.kinds[name].settings.model_validate(settings)
    detector = builds.detector(name, made)
    assert detector is not None
    verify = Verify(detector=name, settings=settings, expect="present")
    behaviour = Behaviour(id="says-it", instruct="Say it.", verify=verify, **more)
    run = builds.run(builds.kinds[name], detector, behaviour.timeout_ms)
    return PlannedBehaviour(behaviour, 100, run, is_expected=True, counts=lambda _: True)


SAYS = {"words": {"words": ["it"]}}


async def test_every_choice_has_to_keep_to_it() -> None:
    """A client that takes the second choice would get what was never kept to."""
    each = planned(SAYS, on_fail="block")
    for texts, conduct, stop in (
        ({0: "it", 1: "it too"}, Conduct.HELD, None),
        ({0: "it", 1: "nothing"}, Conduct.FAILED, Outcome.BLOCK),
    ):
        resolved = resolve([each], await look([each], texts, NO_CONTEXT, None), 1)
        assert [measured.conduct for measured in resolved.measured] == [conduct]
        assert resolved.stop is stop


@pytest.mark.parametrize(
    ("more", "holds"),
    [
        ({"on_fail": "flag"}, False),
        ({"on_fail": "steer", "append": "x"}, False),
        ({"on_fail": "block"}, True),
        ({"on_fail": "retry", "then": "flag"}, True),
        ({"on_fail": "retry", "then": "block"}, True),
    ],
)
def test_what_may_be_taken_back_is_held(more: dict[str, Any], *, holds: bool) -> None:
    """An answer would leave, and then be made again."""
    assert planned(SAYS, **more).holds is holds


async def test_after_the_last_retry_comes_what_the_file_says() -> None:
    """A model would be asked for ever, or once too seldom."""
    each = planned(SAYS, on_fail="retry", retries=2, then="steer", append="!")
    seen = await look([each], {0: "nothing"}, NO_CONTEXT, None)
    acts = [resolve([each], seen, attempt).measured[0].action for attempt in (1, 2, 3)]
    assert acts == [Action.RETRY, Action.RETRY, Action.STEER]
    assert resolve([each], seen, 3).appends == ("!",)


async def test_a_detector_of_two_behaviours_has_the_longer_time() -> None:
    """A behaviour that waits long would be decided by the deadline of another one."""

    async def answer(_text: str) -> Detection:
        await asyncio.sleep(0.05)
        return CLEAN

    builds = Builds({**KINDS, "remote": kind(Remote(answer))})
    for times in ((1, 5_000), (5_000, 1)):
        both = [planned({"remote": {}}, builds, timeout_ms=each) for each in times]
        seen = await look(both, {0: "x"}, NO_CONTEXT, OUTSIDE)
        assert seen[0].unchecked == ()
