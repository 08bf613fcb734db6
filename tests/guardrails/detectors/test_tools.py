"""Calls that may not be are found, by name and by argument."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.domain.conversation import Tool
from app.domain.errors import DetectorError
from app.domain.events import Finish, FinishReason, StreamEvent, ToolCallDelta
from app.domain.finding import Unchecked
from app.domain.policy import Action, Stage
from app.guardrails.arguments import is_inside, leads_to
from app.guardrails.context import Context
from app.guardrails.copied import Copies, Source
from app.guardrails.detectors.tools import KIND, ToolsSettings
from app.guardrails.pseudonyms import Minter
from app.guardrails.release import OutputGuard
from tests.guardrails.building import KEY, NOW, SCOPE, plan, rule
from tests.guardrails.detectors.looking import check_caught, detect, look, passage_of
from tests.guardrails.detectors.tables import Row, rows


def of_call(row: Row) -> Row:
    """The row as part of a call."""
    return {**row, "stage": "tool_call", "of": "arguments" if "tool" in row else "name"}


@pytest.mark.parametrize("row", rows("tools", "passed"))
def test_a_call_that_may_be_passes(row: Row) -> None:
    """An agent would be kept from what it is for."""
    assert look(KIND, of_call(row)) == ()


@pytest.mark.parametrize("row", rows("tools", "caught"))
def test_a_call_that_may_not_be_is_found(row: Row) -> None:
    """An agent would be made to do what its makers ruled out."""
    check_caught(KIND, of_call(row))


def test_arguments_of_an_unknown_tool_are_not_clean() -> None:
    """A check of arguments alone would say that they may be."""
    given_settings = ToolsSettings.model_validate({"calls": {"pay": {"arguments": {}}}})
    row = {"text": "{}", "stage": "tool_call", "of": "arguments"}
    assert isinstance(detect(KIND.build(given_settings), passage_of(row)), Unchecked)


async def _calls(settings: dict[str, Any], *calls: tuple[str, str]) -> list[StreamEvent]:
    compiled = plan(rule("r", {"tools": settings}, Action.BLOCK, Stage.TOOL_CALL))
    context = Context(tools=(Tool("pay"), Tool("search")))
    guarding = OutputGuard(compiled, "public", minter=Minter(KEY, SCOPE), now=NOW, context=context)
    out: list[StreamEvent] = []
    for index, (name, arguments) in enumerate(calls):
        out += guarding.feed(ToolCallDelta(index, "", f"c{index}", name))
        for char in arguments:
            out += guarding.feed(ToolCallDelta(index, char))
    return out + await guarding.finish(Finish(FinishReason.TOOL_CALLS))


async def test_nothing_of_a_call_leaves_whose_name_is_denied() -> None:
    """The arguments of a denied call reach the client before the block."""
    assert await _calls({"deny": ["pay"]}, ("pay", '{"amount": 5}')) == []


async def test_nothing_of_a_call_leaves_whose_arguments_may_not_be() -> None:
    """A client that acts on what it has would act on a part of a call."""
    amount = {"calls": {"pay": {"arguments": {"amount": {"max": 100}}}}}
    assert await _calls(amount, ("pay", '{"amount": 500}')) == []
    out = await _calls(amount, ("pay", '{"amount": 50}'))
    assert "".join(event.arguments for event in out if isinstance(event, ToolCallDelta)) == (
        '{"amount": 50}'
    )


async def test_a_call_without_arguments_is_looked_at() -> None:
    """A model that leaves out all arguments gets past what is required of them."""
    required = {"calls": {"pay": {"arguments": {"to": {"required": True}}}}}
    assert await _calls(required, ("pay", "")) == []
    assert len(await _calls(required, ("search", ""))) == 2


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({}, "at least one of allow"),
        ({"calls": {"pay": {"arguments": {"amount": {}}}}}, "says nothing"),
        ({"calls": {"r": {"arguments": {"path": {"inside": ["/data/../etc"]}}}}}, "write a folder"),
        ({"calls": {"r": {"arguments": {"url": {"hosts": ["https://a.test"]}}}}}, "write a host"),
        ({"calls": {"pay": {"argument": {}}}}, "argument"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any], what: str) -> None:
    """A typing error would leave a tool without its limits."""
    with pytest.raises(ValidationError, match=what):
        ToolsSettings.model_validate(settings)


@pytest.mark.parametrize(
    ("call", "path", "what"),
    [
        (
            {"pay": {"arguments": {"to": {"matches": "(?=x)"}}}},
            ("calls", "pay", "arguments", "to", "matches"),
            "does not run in linear time",
        ),
        (
            {"pay": {"json_schema": {"type": "x"}}},
            ("calls", "pay", "json_schema"),
            "no JSON Schema",
        ),
        ({"pay": {}, "PAY": {}}, ("calls", "PAY"), "is there already"),
    ],
)
def test_rules_that_cannot_run_do_not_load(
    call: dict[str, Any], path: tuple[str, ...], what: str
) -> None:
    """A policy would load that can never be checked, or its author be sent elsewhere."""
    with pytest.raises(DetectorError, match=what) as caught:
        KIND.build(ToolsSettings.model_validate({"calls": call}))
    assert caught.value.path == path


SEGMENTS = st.lists(
    st.sampled_from(
        ["a", "..", ".", "%2e%2e", "", "\uff0e\uff0e", ".. ", "data", "\\..", "a/../b", "%2f.."]
    ),
    max_size=6,
)


@given(SEGMENTS, st.sampled_from(["/", "\\", "//", "%2f", "\u2215"]))
@settings(deadline=None, max_examples=300)
def test_no_way_to_write_a_path_climbs(segments: list[str], slash: str) -> None:
    """A path that some reader resolves to a place outside would pass."""
    path = "/data/" + slash.join(segments)
    if is_inside(path, ["/data"]):
        assert ".." not in path.replace("\uff0e", ".").lower().replace("%2e", ".")


@given(st.text(max_size=30), st.text(max_size=10))
@settings(deadline=None, max_examples=300)
def test_an_address_that_passes_has_the_host(before: str, after: str) -> None:
    """Readers of addresses differ, and one of them would go elsewhere."""
    for url in (f"https://{before}example.com{after}", f"{before}//example.com/{after}"):
        if leads_to(url, ["example.com"]):
            authority = url.split("//", 1)[1].replace("?", "/").replace("#", "/").split("/")[0]
            host = authority.split(":")[0].rstrip(".").lower()
            assert authority.isascii()
            assert host == "example.com" or host.endswith(".example.com")


@given(st.text("abcdefgh@.-_ 0123456789", min_size=8, max_size=40), st.text(max_size=20))
@settings(deadline=None, max_examples=200)
def test_case_blanks_and_wrapping_do_not_hide_a_copy(value: str, around: str) -> None:
    """A model that writes a copied value a little differently would get it past."""
    if sum(char.isalnum() for char in value) < 6:
        return
    copies = Copies(Source([f"{around} {value} {around}"]), Source(()))
    assert copies.has(value.upper())
    assert copies.has([f"  {value}\t"])
    assert copies.has({"k": "-".join(value)})


def limit(**of: Any) -> dict[str, Any]:  # noqa: ANN401  # fields of a limit
    """Settings with one limit."""
    return {"calls": {"pay": {"arguments": {"a": of}}}}


@pytest.mark.parametrize(
    ("settings", "other", "is_as_strict"),
    [
        ({"allow": ["a"]}, {"allow": ["a", "b"]}, True),
        ({"allow": ["a", "b"]}, {"allow": ["a"]}, False),
        ({"deny": ["a"]}, {"allow": ["a"]}, False),
        ({"deny": ["A", "b"]}, {"deny": ["a"]}, True),
        ({"deny": ["b"]}, {"deny": ["a"]}, False),
        ({"stated": True}, {"deny": ["a"]}, False),
        ({"deny": ["a"], "stated": True}, {"deny": ["a"]}, True),
        ({"deny": ["a"]}, {"deny": ["a"], "stated": True}, False),
        (limit(max=50), limit(max=100), True),
        (limit(max=101), limit(max=100), False),
        (limit(min=1), limit(max=100), False),
        (limit(min=1), limit(min=0), True),
        (limit(min=0), limit(min=1), False),
        (limit(one_of=["a"]), limit(one_of=["a", "b"]), True),
        (limit(one_of=["a", "c"]), limit(one_of=["a", "b"]), False),
        (limit(one_of=[True]), limit(one_of=[1]), False),
        (limit(matches="a"), limit(matches="a"), True),
        (limit(matches="a+"), limit(matches="a"), False),
        (limit(inside=["/a"]), limit(inside=["/a", "/b"]), True),
        (limit(required=True), limit(inside=["/a"]), False),
        (limit(hosts=["a.test", "b.test"]), limit(hosts=["a.test"]), False),
        (limit(required=True, not_from_tools=True), limit(not_from_tools=True), True),
        (limit(required=True), limit(not_from_tools=True), False),
        (limit(not_from_tools=True), limit(required=True), False),
        ({"deny": ["a"]}, limit(required=True), False),
        ({"calls": {"pay": {"json_schema": {}}}}, {"calls": {"pay": {}}}, True),
        ({"calls": {"pay": {}}}, {"calls": {"pay": {"json_schema": {}}}}, False),
    ],
)
def test_settings_are_compared(
    settings: dict[str, Any], other: dict[str, Any], *, is_as_strict: bool
) -> None:
    """A looser rule would pass review as no weaker."""
    first, second = (ToolsSettings.model_validate(each) for each in (settings, other))
    assert KIND.is_as_strict(first, second) is is_as_strict
