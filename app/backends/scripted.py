"""Answers from a script: for tests, for users' own CI, and where no model is at hand."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Final, Self

import orjson
import re2
from pydantic import AfterValidator, Field, model_validator
from typing_extensions import override

from app.backends.chat_answer import AnswerReader
from app.backends.embeddings import texts_of
from app.backends.hashed import DIMENSIONS, hashed
from app.backends.sketch import sketch
from app.domain.catalog import Feature
from app.domain.conversation import Conversation, Role, Sampling, TextPart
from app.domain.errors import BackendError, BackendProblem
from app.domain.events import (
    Embedding,
    Finish,
    FinishReason,
    ImageDelta,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from app.domain.persona import FileModel
from app.domain.protocols import Backend
from app.domain.wanted import Embeddings, Pictures

_Said = ReasoningDelta | TextDelta | RefusalDelta | ToolCallDelta | ImageDelta | Finish

_PLACEHOLDERS: Final = re2.compile(r"\{\{ *(last_user|pseudonym) *\}\}")


def _compiled(pattern: str) -> Any:  # noqa: ANN401  # re2 has no types
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def _pattern(pattern: str) -> str:
    try:
        _compiled(pattern)
    except re2.error:
        raise ValueError("is not a pattern that RE2 can run") from None
    return pattern


class When(FileModel):
    """What a request must be for a rule to answer it; all that is given must hold."""

    contains: str | None = None
    """The last user message contains this, whatever the case of its letters."""
    equals: str | None = None
    """The last user message is exactly this."""
    after_tool: bool | None = None
    """The conversation ends with tool results, or does not."""


class ScriptedCall(FileModel):
    """A tool call that the answer makes."""

    name: str
    arguments: str = "{}"
    """JSON text, as a model would write it; placeholders in it are filled in as JSON strings are
    written, without the quotation marks."""


class ScriptedUsage(FileModel):
    """What the provider would have counted."""

    input_tokens: Annotated[int, Field(ge=0)]
    output_tokens: Annotated[int, Field(ge=0)]
    cached_tokens: Annotated[int, Field(ge=0)] = 0
    reasoning_tokens: Annotated[int, Field(ge=0)] = 0
    cache_write_tokens: Annotated[int, Field(ge=0)] = 0


class ScriptedFailure(FileModel):
    """A failure of the provider."""

    problem: BackendProblem
    after: Annotated[int, Field(ge=0)] = 0
    """How many events of the answer come before it, at most."""
    retry_after_s: Annotated[float, Field(ge=0)] | None = None


class ScriptRule(FileModel):
    """An answer, and when to give it.

    The answer's texts may hold ``{{last_user}}``, the last user message as the model saw it, and
    ``{{pseudonym}}``, the first thing in it that looks like a pseudonym.
    """

    when: When = When()
    """Without conditions the rule answers everything."""
    reasoning: str = ""
    text: str = ""
    refusal: str = ""
    tool_calls: tuple[ScriptedCall, ...] = ()
    finish: FinishReason | None = None
    """By default ``tool_calls`` where there are some, else ``stop``."""
    usage: ScriptedUsage | None = None
    recording: str | None = None
    """Play this recorded stream instead; then the rule holds no texts, calls, finish or usage."""
    failure: ScriptedFailure | None = None
    chunk_chars: Annotated[int, Field(ge=1)] = 8
    """How many characters come at once; for a recording, how many bytes."""
    delay_ms: Annotated[int, Field(ge=0, le=60_000)] = 0
    """How long to wait before each chunk."""

    @model_validator(mode="after")
    def _check_recording_stands_alone(self) -> Self:
        scripted = (self.reasoning, self.text, self.refusal, self.tool_calls)
        if self.recording is not None and (any(scripted) or self.finish or self.usage):
            raise ValueError("a rule with a recording holds no answer of its own")
        return self


class Script(FileModel):
    """Rules in order: the first that fits answers."""

    rules: Annotated[tuple[ScriptRule, ...], Field(min_length=1)]
    pseudonym: Annotated[str, AfterValidator(_pattern)] = r"[A-Z][A-Z_]{2,}_[0-9A-Za-z]{4,}"
    """What pseudonyms look like, for ``{{pseudonym}}``: a RE2 pattern."""


class ScriptedBackend(Backend):
    """Plays a script. The same request always gets the same answer, in each of its choices.

    Vectors and pictures stand in no script: they are made of the words of each text.
    """

    gives = frozenset({Feature.EMBEDDINGS, Feature.PICTURES, Feature.CHOICES})
    draws = True

    def __init__(
        self,
        script: Script,
        *,
        recordings: Mapping[str, bytes] | None = None,
        on_call: Callable[[Conversation, str], None] | None = None,
    ) -> None:
        """Hold a script.

        Args:
            script: The rules.
            recordings: Recorded event streams by name, as bytes of a provider's answer.
            on_call: Told of each conversation and model, as the model would see them.

        Raises:
            ValueError: A rule names a recording that is not there.
        """
        self._script = script
        self._recordings = recordings or {}
        self._on_call = on_call
        self._pseudonym = _compiled(script.pseudonym)
        for index, rule in enumerate(script.rules):
            if rule.recording is not None and rule.recording not in self._recordings:
                raise ValueError(f"rules[{index}].recording: there is no such recording")

    @override
    async def stream(
        self, conversation: Conversation, model: str
    ) -> AsyncGenerator[StreamEvent, None]:
        """The scripted answer as events.

        Raises:
            BackendError: As scripted, or because no rule fits.
        """
        if self._on_call is not None:
            self._on_call(conversation, model)
        if not conversation.wanted.is_turn:
            for event in _unscripted(conversation):
                yield event
            return
        rule = self._rule_for(conversation)
        if rule.recording is None:
            events = self._scripted(rule, conversation)
        else:
            events = self._recorded(rule, conversation.sampling)
        for given, event in enumerate(events):
            if rule.failure is not None and given == rule.failure.after:
                break
            await asyncio.sleep(rule.delay_ms / 1000)
            yield event
        if rule.failure is not None:
            raise BackendError(
                rule.failure.problem,
                f"the script says: {rule.failure.problem.value}",
                retry_after_s=rule.failure.retry_after_s,
            )

    @override
    async def close(self) -> None:
        """Nothing to give back."""

    def _rule_for(self, conversation: Conversation) -> ScriptRule:
        for rule in self._script.rules:
            if _fits(rule.when, conversation):
                return rule
        raise BackendError(
            BackendProblem.REJECTED,
            "no rule of the script fits this request; end the script with a rule without `when`",
        )

    def _recorded(self, rule: ScriptRule, asked: Sampling) -> Iterator[StreamEvent]:
        stream = self._recordings[rule.recording or ""]
        answer = AnswerReader(asked)
        for start in range(0, len(stream), rule.chunk_chars):
            yield from answer.feed(stream[start : start + rule.chunk_chars])
        yield from answer.end()

    def _scripted(self, rule: ScriptRule, conversation: Conversation) -> Iterator[StreamEvent]:
        for event in self._answer(rule, conversation):
            for choice in range(conversation.sampling.choices):
                yield replace(event, choice=choice)
        if rule.usage is not None:
            yield Usage(**rule.usage.model_dump())

    def _answer(self, rule: ScriptRule, conversation: Conversation) -> Iterator[_Said]:
        values = self._values(_last_user(conversation))
        json_values = {name: _inside_json(value) for name, value in values.items()}

        def chunks(template: str, values: Mapping[str, str] = values) -> Iterator[str]:
            text = _filled(template, values)
            for start in range(0, len(text), rule.chunk_chars):
                yield text[start : start + rule.chunk_chars]

        yield from (ReasoningDelta(chunk) for chunk in chunks(rule.reasoning))
        yield from (TextDelta(chunk) for chunk in chunks(rule.text))
        yield from (RefusalDelta(chunk) for chunk in chunks(rule.refusal))
        for index, call in enumerate(rule.tool_calls):
            yield ToolCallDelta(index, call_id=f"call_{index}", name=call.name)
            yield from (
                ToolCallDelta(index, chunk) for chunk in chunks(call.arguments, json_values)
            )
        if conversation.wanted.images_path is not None:
            yield sketch(values["last_user"])
        default = FinishReason.TOOL_CALLS if rule.tool_calls else FinishReason.STOP
        yield Finish(rule.finish or default)

    def _values(self, last_user: str) -> dict[str, str]:
        seen = self._pseudonym.search(last_user)
        return {"last_user": last_user, "pseudonym": seen.group() if seen else ""}


def _unscripted(conversation: Conversation) -> Iterator[StreamEvent]:
    """What is no turn of a conversation."""
    match conversation.wanted:
        case Embeddings(dimensions=dimensions):
            for index, text in enumerate(texts_of(conversation)):
                yield Embedding(index, hashed(text, dimensions or DIMENSIONS))
        case Pictures(count=count):
            yield from (sketch(_last_user(conversation), number) for number in range(count))
        case _:
            raise TypeError("a turn of a conversation is scripted")
    yield Finish(FinishReason.STOP)


def _filled(template: str, values: Mapping[str, str]) -> str:
    """The template with its placeholders replaced, in one pass: what is put in stays as it is."""
    pieces: list[str] = []
    end = 0
    for match in _PLACEHOLDERS.finditer(template):
        pieces += [template[end : match.start()], values[match.group(1)]]
        end = match.end()
    return "".join([*pieces, template[end:]])


def _inside_json(text: str) -> str:
    return orjson.dumps(text).decode()[1:-1]


def _fits(when: When, conversation: Conversation) -> bool:
    last_user = _last_user(conversation)
    is_after_tool = bool(conversation.messages) and conversation.messages[-1].role is Role.TOOL
    return (
        (when.contains is None or when.contains.casefold() in last_user.casefold())
        and (when.equals is None or when.equals == last_user)
        and (when.after_tool is None or when.after_tool == is_after_tool)
    )


def _last_user(conversation: Conversation) -> str:
    for message in reversed(conversation.messages):
        if message.role is Role.USER:
            return "".join(part.text for part in message.parts if isinstance(part, TextPart))
    return ""
