"""A script answers the same request the same way, and says what is wrong with itself."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import ValidationError
from typing_extensions import override

from app.backends.scripted import Script, ScriptedBackend
from app.domain.conversation import (
    Conversation,
    Message,
    Origin,
    Role,
    TextPart,
    ToolResultPart,
)
from app.domain.errors import BackendError, BackendProblem
from app.domain.events import (
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from app.domain.protocols import Backend
from tests.backends.contract import (
    AWKWARD_TEXT,
    ToldBackendContract,
    collect,
    conversation,
    text_of,
)
from tests.backends.tables import TESTS

Json = Any


def scripted(*rules: Mapping[str, Json], **more: Json) -> ScriptedBackend:
    """A backend that plays these rules."""
    return ScriptedBackend(Script.model_validate({"rules": rules, **more}))


class TestContract(ToldBackendContract):
    """The scripted backend keeps the promises of every backend."""

    @override
    @asynccontextmanager
    async def answering(self, text: str) -> AsyncIterator[Backend]:
        usage = {"input_tokens": 1, "output_tokens": 2}
        yield scripted({"text": text, "usage": usage})

    @override
    @asynccontextmanager
    async def endless(self) -> AsyncIterator[Backend]:
        yield scripted({"text": "word " * 10_000})

    @override
    @asynccontextmanager
    async def failing(self) -> AsyncIterator[tuple[Backend, Conversation, BackendProblem]]:
        backend = scripted({"failure": {"problem": "rate_limited"}})
        yield backend, conversation(), BackendProblem.RATE_LIMITED

    @override
    async def wait_until_stopped(self, backend: Backend) -> None:
        """Nothing works behind it."""


async def test_everything_an_answer_can_hold() -> None:
    """A test of the pipeline could not stage one of the channels."""
    backend = scripted(
        {
            "reasoning": "Hmm.",
            "text": "Hello there",
            "refusal": "no",
            "tool_calls": [{"name": "find", "arguments": '{"q":"x"}'}],
            "usage": {"input_tokens": 3, "output_tokens": 4, "cached_tokens": 1},
            "chunk_chars": 6,
        }
    )
    assert await collect(backend) == [
        ReasoningDelta("Hmm."),
        TextDelta("Hello "),
        TextDelta("there"),
        RefusalDelta("no"),
        ToolCallDelta(0, call_id="call_0", name="find"),
        ToolCallDelta(0, '{"q":"'),
        ToolCallDelta(0, 'x"}'),
        Finish(FinishReason.TOOL_CALLS),
        Usage(3, 4, 1),
    ]


async def test_first_rule_that_fits_answers() -> None:
    """A script would answer with another rule than its author reads."""
    backend = scripted(
        {"when": {"equals": "Hello"}, "text": "exact"},
        {"when": {"contains": "HELLO"}, "text": "contained"},
        {"text": "else"},
    )
    asked = ["Hello", "well, hello!", "bye"]
    answers = [text_of(await collect(backend, conversation(text))) for text in asked]
    assert answers == ["exact", "contained", "else"]


async def test_rule_after_a_tool() -> None:
    """A script that calls a tool would call it for ever."""
    backend = scripted(
        {"when": {"after_tool": True}, "text": "It is sunny."},
        {"when": {"after_tool": False}, "tool_calls": [{"name": "weather"}]},
    )
    assert any(isinstance(event, ToolCallDelta) for event in await collect(backend))
    result = Message(Role.TOOL, Origin.TOOL, (ToolResultPart("call_0", "sun"),))
    after = Conversation("tester", (*conversation().messages, result))
    assert text_of(await collect(backend, after)) == "It is sunny."


async def test_no_rule_fits() -> None:
    """A gap in a script would look like an empty answer."""
    with pytest.raises(BackendError, match="no rule of the script fits") as caught:
        await collect(scripted({"when": {"contains": "x"}, "text": "y"}))
    assert caught.value.problem is BackendProblem.REJECTED


async def test_placeholders() -> None:
    """A round trip of pseudonyms could not be shown without a model."""
    backend = scripted(
        {
            "text": "{{ last_user }} | {{pseudonym}} | {{other}}",
            "tool_calls": [{"name": "mail", "arguments": '{"a":"{{pseudonym}}{{last_user}}"}'}],
            "chunk_chars": 999,
        },
        pseudonym="<[A-Z]+_[0-9]+>",
    )
    events = await collect(backend, conversation('Write "<EMAIL_1>" or <EMAIL_2> {{pseudonym}}'))
    assert text_of(events) == (
        'Write "<EMAIL_1>" or <EMAIL_2> {{pseudonym}} | <EMAIL_1> | {{other}}'
    )
    arguments = "".join(each.arguments for each in events if isinstance(each, ToolCallDelta))
    assert arguments == r'{"a":"<EMAIL_1>Write \"<EMAIL_1>\" or <EMAIL_2> {{pseudonym}}"}'


async def test_placeholder_without_a_pseudonym() -> None:
    """A message without one would break the demonstration."""
    assert text_of(await collect(scripted({"text": "[{{pseudonym}}]"}))) == "[]"


async def test_last_user_text_is_the_last() -> None:
    """A rule would fit on what was said turns ago."""
    older, newer = (
        Message(Role.USER, Origin.CLIENT, (TextPart(text), TextPart("!"))) for text in "ab"
    )
    said = Conversation("tester", (older, newer, Message(Role.SYSTEM, Origin.CLIENT, ())))
    assert text_of(await collect(scripted({"text": "{{last_user}}"}), said)) == "b!"


@pytest.mark.parametrize("chunk_chars", [1, 3, 100])
async def test_awkward_letters_arrive_whole(chunk_chars: int) -> None:
    """A script's text would come out changed."""
    backend = scripted({"text": AWKWARD_TEXT, "chunk_chars": chunk_chars})
    assert text_of(await collect(backend)) == AWKWARD_TEXT


@pytest.mark.parametrize("problem", list(BackendProblem))
async def test_failure_at_its_place(problem: BackendProblem) -> None:
    """A test of the pipeline could not stage one of the failures, or not where it wants."""
    backend = scripted(
        {
            "text": "abcdef",
            "chunk_chars": 2,
            "failure": {"problem": problem.value, "after": 2, "retry_after_s": 7},
        }
    )
    events: list[StreamEvent] = []
    with pytest.raises(BackendError) as caught:  # noqa: PT012  # what came before it counts
        async for event in backend.stream(conversation(), "m"):
            events.append(event)  # noqa: PERF401  # filled also when it raises
    assert events == [TextDelta("ab"), TextDelta("cd")]
    assert (caught.value.problem, caught.value.retry_after_s) == (problem, 7)


@pytest.mark.parametrize("chunk_bytes", [1, 1000])
async def test_recording(chunk_bytes: int) -> None:
    """Users' own CI could not replay what their provider once said."""
    recording = (TESTS / "recordings" / "llama_cpp_json.sse").read_bytes()
    script = Script.model_validate({"rules": [{"recording": "r", "chunk_chars": chunk_bytes}]})
    events = await collect(ScriptedBackend(script, recordings={"r": recording}))
    assert text_of(events).startswith("{")
    assert events[-2:] == [Finish(FinishReason.STOP), Usage(24, 20, 14)]


async def test_caller_is_told_what_the_model_sees() -> None:
    """A test could not look at what would have reached a model."""
    seen: list[tuple[Conversation, str]] = []
    script = Script.model_validate({"rules": [{"text": "x"}]})
    await collect(ScriptedBackend(script, on_call=lambda *call: seen.append(call)))
    assert seen == [(conversation(), "some-model")]


@pytest.mark.parametrize(
    ("script", "where"),
    [
        pytest.param({"rules": []}, "rules", id="no rules"),
        pytest.param({"rules": [{"txt": "x"}]}, "rules.0.txt", id="unknown key"),
        pytest.param({"rules": [{"text": "a", "recording": "r"}]}, "rules.0", id="two answers"),
        pytest.param({"rules": [{"text": "a"}], "pseudonym": "("}, "pseudonym", id="bad pattern"),
        pytest.param(
            {"rules": [{"failure": {"problem": "down"}}]}, "rules.0.failure.problem", id="problem"
        ),
    ],
)
def test_mistakes_in_a_script(script: Json, where: str) -> None:
    """A script that says something else than its author thinks would pass its tests."""
    with pytest.raises(ValidationError) as caught:
        Script.model_validate(script)
    assert ".".join(str(step) for step in caught.value.errors()[0]["loc"]) == where


def test_missing_recording() -> None:
    """The mistake would show only when the rule is reached."""
    with pytest.raises(ValueError, match=r"rules\[0\].recording"):
        scripted({"recording": "nowhere"})
