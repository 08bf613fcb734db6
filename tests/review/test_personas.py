"""Which way a change of a persona goes, where a table of files would have to be long."""

import pytest

from app.domain.conversation import Json
from app.domain.persona import Persona
from app.review.change import Effect
from app.review.concerns.personas import changes_of_persona


def persona(**more: Json) -> Persona:
    """A persona that says little else."""
    said = {"id": "p", "name": "P", "prompt": "a", "policy": "b", "route": "c"}
    return Persona.model_validate({**said, "identity": {"role": "clerk"}, **more})


def effects(before: Persona, after: Persona) -> list[Effect]:
    """Which way each change goes."""
    return [each.effect for each in changes_of_persona(before, after)]


BOUNDS = [
    # Before, after, and whether a request may choose more freely.
    ({"default": 0.5}, {"default": 0.5, "max": 0.6}, True),
    ({"default": 0.5, "max": 0.6}, {"default": 0.5, "max": 0.7}, True),
    ({"default": 0.5, "max": 0.6}, {"default": 0.5}, False),
    ({"default": 0.5, "min": 0.4}, {"default": 0.5, "min": 0.3}, True),
    ({"default": 0.5, "min": 0.4}, {"default": 0.5, "min": 0.45}, False),
    ({"default": 0.5, "min": 0.4, "max": 0.6}, {"default": 0.5, "min": 0.3, "max": 0.5}, True),
    ({"default": 0.5, "min": 0.4, "max": 0.6}, {"default": 0.5, "max": 0.6}, True),
]


@pytest.mark.parametrize(("was", "now", "is_freer"), BOUNDS)
def test_what_a_request_may_choose(was: Json, now: Json, *, is_freer: bool) -> None:
    """Requests could be given more room at one end, and it be called stricter."""
    before, after = (persona(sampling={"temperature": bound}) for bound in (was, now))
    assert effects(before, after) == [Effect.WEAKER if is_freer else Effect.STRICTER]


LADDER = ["platform", "policy", "persona", "user"]


@pytest.mark.parametrize("was", LADDER)
@pytest.mark.parametrize("now", LADDER)
def test_who_may_override_a_behaviour(was: str, now: str) -> None:
    """A rule of the platform could be handed to users, and it be called stricter."""
    before, after = (
        persona(behaviours=[{"id": "b", "instruct": "Greet.", "authority": authority}])
        for authority in (was, now)
    )
    lower = LADDER.index(now) - LADDER.index(was)
    expected = [] if not lower else [Effect.WEAKER if lower > 0 else Effect.STRICTER]
    assert effects(before, after) == expected


PLAN: Json = {
    "variant": "b",
    "steps": [1, 50],
    "gates": [{"metric": "refusal_rate", "no_worse_by": 0.1}],
}
GATES = [
    # What the plan says instead, and which way that goes.
    ({"gates": [{"metric": "refusal_rate", "no_worse_by": 0.2}]}, [Effect.WEAKER]),
    ({"gates": [{"metric": "refusal_rate", "no_worse_by": 0.05}]}, [Effect.STRICTER]),
    ({"error_rate": 0.1}, [Effect.WEAKER]),
    ({"error_rate": 0.01}, [Effect.STRICTER]),
    (
        {"gates": [{"metric": "failure_rate", "no_worse_by": 0.1}]},
        [Effect.WEAKER, Effect.STRICTER],
    ),
    ({"steps": [1, 5, 50], "hold": "2h"}, [Effect.CHANGED, Effect.CHANGED]),
]


@pytest.mark.parametrize(("changes", "ways"), GATES)
def test_which_way_the_gates_of_a_rollout_go(changes: Json, ways: list[Effect]) -> None:
    """A rollout could let through what it stopped before, and no reviewer be told."""
    before, after = persona(rollout=PLAN), persona(rollout={**PLAN, **changes})
    assert effects(before, after) == ways
    assert effects(before, persona()) == effects(persona(), before) == [Effect.CHANGED]
