"""Whatever a file can say, changing it is told: fields are found by their types."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from app.domain.catalog import Catalog, Feature, Route, Source, Target, When
from app.domain.conversation import Effort
from app.domain.data_use import DataUse
from app.domain.persona import Persona
from app.domain.policy import (
    Action,
    Budget,
    DetectSpec,
    Keep,
    KeepContent,
    Media,
    MediaBounds,
    Policy,
    Restore,
    Rule,
    Stage,
    Step,
    Waiver,
)
from app.review.change import Change, Effect
from app.review.compare import changes_of_routes
from app.review.concerns.deployment import changes_of_deployment
from app.review.concerns.personas import changes_of_persona
from app.review.concerns.policies import changes_of_policy
from app.review.concerns.rules import Pair
from tests.review.parts import Parts

ROOT = Path(__file__).parent.parent.parent
TODAY = date(2027, 1, 1)
WORDS = ("description", "owner", "why")
"""Keys for those who read a file: nothing is served differently."""
BOUND = {"default": 0.5, "min": 0.1, "max": 0.9}
WHOLE = {"default": 5, "min": 1, "max": 9}
PERSONA = Persona.model_validate(
    {
        "id": "p",
        "name": "P",
        "description": "Explains.",
        "owner": "team",
        "prompt": "a",
        "policy": "b",
        "route": "c",
        "embeddings": {"route": "d"},
        "images": {"route": "e", "instruct": "Watercolour."},
        "identity": {"role": "clerk", "readers": "all", "values": ["honest"]},
        "voice": {"tone": ["calm"]},
        "behaviours": [
            {
                "id": "greets",
                "instruct": "Greet.",
                "verify": {"detector": "words", "settings": {"words": "hi"}, "expect": "present"},
                "scenarios": ["s"],
                "append": "Hello.",
                "percent": 50,
            }
        ],
        "scenarios": {"s": {"description": "morning", "instruct": "Be awake."}},
        "variables": {
            "v": {"description": "v", "min": 1, "max": 2, "enum": ["a", "b"], "default": "a"}
        },
        "examples": [{"user": "Hi", "assistant": "Hello"}],
        "knowledge": ["knowledge/a.md"],
        "sampling": {
            "temperature": BOUND,
            "top_p": BOUND,
            "max_tokens": WHOLE,
            "reasoning": {"default": Effort.LOW, "max": Effort.MEDIUM},
            "choices": {"max": 2},
        },
        "variants": [{"id": "brisk", "percent": 10, "set": {"name": "Q"}}],
        "rollout": {
            "variant": "brisk",
            "steps": [1, 50],
            "gates": [{"metric": "refusal_rate", "no_worse_by": 0.1}],
        },
    }
)
BOUNDS = MediaBounds(frozenset({"image/png", "image/gif"}), 100, 2, "public", frozenset({"a.org"}))
POLICY = Policy(
    id="q",
    audiences=("minor", "public"),
    default_audience="public",
    rules=(
        Rule(
            id="r",
            stages=frozenset({Stage.INPUT, Stage.OUTPUT}),
            detect=DetectSpec("words", {"words": "darn"}),
            then={
                "minor": (Step(0.5, Action.BLOCK),),
                "public": (Step(0.5, Action.FLAG), Step(0.9, Action.BLOCK)),
            },
            append="No advice.",
            why="Rude.",
        ),
    ),
    waivers=(Waiver("r", "public", Action.FLAG, "a trial", "ann", date(2027, 2, 1), "signed"),),
    keep=Keep(KeepContent.REWRITTEN),
    restore=Restore(
        frozenset({"EMAIL", "PHONE"}), {"crm": frozenset({"EMAIL"}), "*": frozenset({"PHONE"})}
    ),
    media=Media(BOUNDS, BOUNDS, replace(BOUNDS, hosts=frozenset({"b.org"}))),
    budget=Budget({"minor": 0.02, "public": 0.01}, ("evals/a.jsonl",), ("evals/b.jsonl",)),
    extends="root",
)
IN_POLICY = Parts(
    {
        ".default_audience": "minor",
        **dict.fromkeys((".audiences[0]", ".audiences[1]"), "teen"),
        ".rules[0].then.minor[0].at": 0.4,
        ".rules[0].then.public[0].at": 0.4,
        ".rules[0].then.public[1].at": 0.8,
        ".rules[0].enforce_percent": 50.0,
        ".waivers[0].audience": "minor",
        ".waivers[0].expires": date(2027, 3, 1),
        **{
            f".media.{kind}.strictest_audience": "minor"
            for kind in ("images", "files", "answer_images")
        },
    }
)
SKIPPED = {
    ".id": "the file's stem: another one is another policy or persona",
    ".rules[0].then.-": "every audience of the policy has its steps, or the file does not load",
    ".media.answer_images.hosts.-": "nothing is fetched for an answer, and files cannot say it",
}


def of_policy(after: Policy) -> list[Change]:
    """What is different about the policy above."""
    return list(changes_of_policy(Pair(POLICY, after, lambda a, b: a == b, TODAY)))


CASES = [
    *[("persona", path, whole) for path, whole in Parts({}).of(PERSONA)],
    *[("policy", path, whole) for path, whole in IN_POLICY.of(POLICY)],
]


@pytest.mark.parametrize(
    ("kind", "path", "after"), CASES, ids=[f"{kind}{path}" for kind, path, _ in CASES]
)
def test_every_field_is_told(kind: str, path: str, after: Any) -> None:  # noqa: ANN401  # either
    """A key could be changed, and the reviewer be told that nothing is different."""
    if path in SKIPPED:
        return
    found = list(changes_of_persona(PERSONA, after)) if kind == "persona" else of_policy(after)
    assert found, "say what this changes, in app/review/concerns"
    is_for_readers = path.rpartition(".")[2] in WORDS and not path.startswith((".scen", ".var"))
    assert all(each.effect is Effect.COSMETIC for each in found) == is_for_readers


def test_what_is_skipped_is_there() -> None:
    """An exception would outlive what it excepts, and hide a field that comes after it."""
    paths = {path for _, path, _ in CASES}
    assert set(SKIPPED) <= paths
    assert set(IN_POLICY.others) <= paths


TARGET = Target(
    "vendor", "large", 2, When(("public",), ("p",), 900), frozenset({Feature.TOOLS, Feature.FILES})
)
ROUTE = Route("c", (TARGET, TARGET), (TARGET,), 1, 500, frozenset(DataUse))


@pytest.mark.parametrize(
    ("path", "after"), list(Parts({}).of(ROUTE)), ids=[path for path, _ in Parts({}).of(ROUTE)]
)
def test_every_part_of_a_route_is_told(path: str, after: Route) -> None:
    """Traffic could be sent elsewhere, and both ways read the same."""
    if path == ".id":
        return
    at = {("banneton.yaml", ""): Source("banneton.yaml", 1, 1)}
    old, new = (Catalog("", {}, {}, {}, {"c": each}, {}, at) for each in (ROUTE, after))
    (found,) = changes_of_routes(old, new)
    if path == ".fallbacks[0].weight":  # one is asked after another, and none is drawn
        assert found.change.effect is Effect.COSMETIC
        return
    if path == ".provider_may.-":
        assert found.change.effect is Effect.STRICTER
        return
    now, _, was = found.change.what.partition(" leads to ")[2].partition(" instead of ")
    assert was
    assert now != was


def _paths(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The way to every key that may be written; a name of the author's own is ``any``."""
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].removeprefix("#/$defs/")]
    for name, below in node.get("properties", {}).items():
        yield from ((name, *rest) for rest in _paths(schema, below))
    if isinstance(named := node.get("additionalProperties"), dict):
        yield from (("any", *rest) for rest in _paths(schema, named))
    for option in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        yield from _paths(schema, option)
    if "properties" not in node:
        yield ()


SCHEMA = json.loads((ROOT / "schemas" / "banneton.schema.json").read_text("utf-8"))
PLACES = sorted({path for path in _paths(SCHEMA, SCHEMA) if path and path[0] != "routes"})


def _with(path: tuple[str, ...], value: str) -> dict[str, Any]:
    return {path[0]: value if len(path) == 1 else _with(path[1:], value)}


def test_every_key_of_the_deployment_is_told() -> None:
    """A section could be changed beside one of which more is said, and only that be told."""
    assert ("backends", "any", "base_url") in PLACES
    for path in PLACES:
        found = list(changes_of_deployment(_with(path, "1"), _with(path, "2")))
        assert found, ".".join(path)
        assert {each.concern for each in found} == {path[0]}
        assert all("'1'" not in each.what and "'2'" not in each.what for each in found)
