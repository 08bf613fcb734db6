"""Plays one case: the turns of a script or of a simulated user, through the real pipeline."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import orjson

from app.catalog.conversation_case import ConversationCase, ToolFile, TurnFile
from app.domain.conversation import (
    Conversation,
    Json,
    Message,
    Origin,
    Part,
    PersonaWishes,
    RefusalPart,
    Role,
    Sampling,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from app.domain.decision import severest
from app.domain.errors import (
    BackendError,
    DetectorError,
    ImageRefusedError,
    RequestError,
)
from app.domain.events import RefusalDelta, StreamEvent, TextDelta, ToolCallDelta, Usage
from app.domain.protocols import Caller, Outside
from app.domain.record import Timings
from app.evals.results import Ended
from app.evals.simulated import next_words
from app.evals.transcript import ToolCall, ToolResult, Transcript, Turn
from app.metrics.observed import ObservedExchange
from app.pipeline.answer import Closed, Opened, Stopped, Summary
from app.pipeline.gateway import RenderRequest
from app.pipeline.service import Pipeline

MOST_ROUNDS = 8
"""How often a turn may call tools and go on."""
_NO_TOOL = "There is no such tool."


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known of an exchange that was closed."""

    exchange: ObservedExchange
    timings: Timings | None
    """None where the answer was recorded, and nobody said how long it took."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What one run of a case is played with."""

    pipeline: Pipeline
    caller: Caller
    observed: Callable[[str], Awaitable[Observed]]
    """By the request's id, what its record says."""
    user: Outside
    """Through which the model is asked that plays the user."""


@dataclass(frozen=True, slots=True)
class Played:
    """A conversation as far as it went."""

    transcript: Transcript
    exchanges: tuple[ObservedExchange, ...]
    """In order; a turn that called tools has several."""
    turn_of: tuple[int, ...]
    """Of each exchange, its turn, counted from 0."""
    ended: Ended | None
    """None where it broke off."""
    error: str = ""
    """Why it broke off, in words that quote nothing."""


class _BrokeOffError(Exception):
    """An exchange failed: the conversation cannot go on."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


@dataclass(slots=True)
class _Answer:
    """What a client has of one exchange."""

    texts: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    calls: dict[int, ToolCall] = field(default_factory=dict)
    request_id: str = ""
    summary: Summary | None = None

    def add(self, event: Opened | Stopped | Closed | StreamEvent) -> None:
        """Take an event as a client does that waits for the whole answer."""
        match event:
            case Opened():
                self.request_id = event.request_id
            case TextDelta():
                self.texts.append(event.text)
            case RefusalDelta():
                self.refusals.append(event.text)
            case ToolCallDelta():
                known = self.calls.get(event.index, ToolCall("", "", ""))
                self.calls[event.index] = ToolCall(
                    known.call_id or event.call_id or "",
                    known.name or event.name or "",
                    known.arguments + event.arguments,
                )
            case Stopped():
                self.texts, self.refusals, self.calls = [event.reply], [], {}
            case Closed():
                self.summary = event.summary
            case _:
                pass  # what no client is shown as text

    @property
    def text(self) -> str:
        """What the user reads."""
        return "".join(self.texts) + "".join(self.refusals)

    def parts(self, path: str) -> Iterator[Part]:
        """As a client sends it back in the next request."""
        if self.texts:
            yield TextPart("".join(self.texts), f"{path}.content")
        if self.refusals:
            yield RefusalPart("".join(self.refusals), f"{path}.refusal")
        for index, call in enumerate(self.calls.values()):
            at = f"{path}.tool_calls[{index}].function"
            yield ToolCallPart(call.call_id, call.name, call.arguments, at)


class Player:
    """One run of a case."""

    def __init__(self, case: ConversationCase, stage: Stage, *, seed: int, session: str) -> None:
        """Hold what all turns need.

        Args:
            case: What is played.
            stage: What it is played with.
            seed: For models that take one.
            session: The name of the session, where the case's turns are one.
        """
        self._case = case
        self._stage = stage
        self._sampling = Sampling(seed=seed, yields=frozenset({"seed"}))
        self._session = session if case.written.session else None
        self._messages: list[Message] = []
        self._turns: list[Turn] = []
        self._exchanges: list[ObservedExchange] = []
        self._turn_of: list[int] = []
        self._timings: list[Timings | None] = []

    async def play(self) -> Played:
        """The whole conversation, or what there is of it where it breaks off."""
        ended: Ended | None = None
        error = ""
        try:
            while ended is None:
                said = await self._next()
                if isinstance(said, Ended):
                    ended = said
                else:
                    await self._turn(said)
        except _BrokeOffError as exc:
            error = str(exc)
        except (BackendError, DetectorError) as exc:
            error = f"the simulated user: {exc}"
        system = await self._system()
        return Played(
            Transcript(tuple(self._turns), system),
            tuple(self._exchanges),
            tuple(self._turn_of),
            ended,
            error,
        )

    async def _system(self) -> str:
        written = self._case.written
        wanted = RenderRequest(
            self._case.persona, written.variant, written.scenario, dict(written.variables)
        )
        try:
            return (await self._stage.pipeline.render(wanted, self._stage.caller)).text
        except RequestError:
            return ""  # the exchange said so already

    async def _next(self) -> TurnFile | Ended:
        """What the user says now."""
        written = self._case.written
        user = written.simulated_user
        if user is None:
            done = len(self._turns)
            return written.turns[done] if done < len(written.turns) else Ended.SCRIPT
        said = await next_words(user, self._turns, self._stage.user)
        return said if isinstance(said, Ended) else TurnFile(user=said.text)

    async def _turn(self, said: TurnFile) -> None:
        """One turn, with as many exchanges as its tools take."""
        begun = len(self._exchanges)
        self._add(Role.USER, Origin.CLIENT, lambda path: (TextPart(said.user, f"{path}.content"),))
        self._turns.append(Turn(said.user, ""))
        try:
            await self._rounds(said)
        except _BrokeOffError as exc:
            self._turns[-1] = replace(self._turns[-1], error=exc.kind)
            raise
        finally:
            exchanges, timings = self._exchanges[begun:], self._timings[begun:]
            self._turns[-1] = _with_costs(self._turns[-1], exchanges, timings)
            self._turn_of += [len(self._turns) - 1] * len(exchanges)

    async def _rounds(self, said: TurnFile) -> None:
        failed_tool = False
        for _ in range(MOST_ROUNDS):
            answer = await self._exchange(failed_tool)
            turn = self._turns[-1] = _with(self._turns[-1], answer, self._exchanges[-1])
            if not answer.calls:
                return
            results = [_result(call, self._tools, said) for call in answer.calls.values()]
            failed_tool = any(each.is_error for each in results)
            self._turns[-1] = replace(turn, tool_results=(*turn.tool_results, *results))
            self._send_back(results)
        what = f"the model called tools {MOST_ROUNDS} times and came to no answer"
        raise _BrokeOffError("tool_rounds", what)

    @property
    def _tools(self) -> Mapping[str, ToolFile]:
        return {tool.name: tool for tool in self._case.written.tools}

    def _send_back(self, results: Sequence[ToolResult]) -> None:
        for each in results:

            def part(path: str, each: ToolResult = each) -> tuple[Part, ...]:
                at = f"{path}.content"
                return (ToolResultPart(each.call_id, each.text, at, each.is_error),)

            self._add(Role.TOOL, Origin.TOOL, part)

    def _add(self, role: Role, origin: Origin, parts: Callable[[str], tuple[Part, ...]]) -> None:
        path = f"messages[{len(self._messages)}]"
        self._messages.append(Message(role, origin, parts(path), path=path))

    def _conversation(self) -> Conversation:
        """What a client sends now: the whole conversation so far."""
        written = self._case.written
        return Conversation(
            persona=self._case.persona,
            variant=written.variant,
            messages=tuple(self._messages),
            tools=tuple(
                Tool(tool.name, tool.description, tool.parameters, path=f"tools[{index}].function")
                for index, tool in enumerate(written.tools)
            ),
            sampling=self._sampling,
            wishes=PersonaWishes(
                audience=written.audience,
                variables=dict(written.variables),
                session=self._session,
                scenario=written.scenario,
            ),
        )

    async def _exchange(self, failed_tool: bool) -> _Answer:  # noqa: FBT001  # what went before
        """One request and its answer, which is added to the conversation."""
        stage, answer = self._stage, _Answer()
        broke_off: _BrokeOffError | None = None
        try:
            events = stage.pipeline.exchange(self._conversation(), stage.caller)
            async with aclosing(events) as run:
                async for event in run:
                    answer.add(event)
        except RequestError as exc:
            broke_off = _BrokeOffError(exc.code, f"the request was refused: {exc.message}")
        except BackendError as exc:
            broke_off = _BrokeOffError(exc.problem.value, f"the model failed: {exc.message}")
        except ImageRefusedError as exc:
            broke_off = _BrokeOffError(exc.problem.value, str(exc))
        if answer.request_id:
            observed = await stage.observed(answer.request_id)
            turn, session = len(self._exchanges) + 1, self._session
            self._timings.append(observed.timings)
            self._exchanges.append(
                replace(observed.exchange, turn=turn, session=session, is_tool_failure=failed_tool)
            )
        if broke_off is not None:
            raise broke_off
        self._add(Role.ASSISTANT, Origin.CLIENT, lambda path: tuple(answer.parts(path)))
        return answer


def _with(turn: Turn, answer: _Answer, observed: ObservedExchange) -> Turn:
    """The turn after one more exchange."""
    summary = answer.summary
    if summary is None:
        return turn
    offset = len(turn.findings)
    applied = (
        replace(each, findings=tuple(offset + index for index in each.findings))
        for each in summary.applied
    )
    return replace(
        turn,
        answer=answer.text,
        tool_calls=(*turn.tool_calls, *answer.calls.values()),
        outcome=severest(turn.outcome, summary.outcome),
        applied=(*turn.applied, *applied),
        findings=(*turn.findings, *summary.findings),
        behaviours=summary.behaviours,
        usage=_usage(turn, observed),
        request_id=answer.request_id,
    )


def _usage(turn: Turn, observed: ObservedExchange) -> Usage | None:
    if observed.tokens_in is None or observed.tokens_out is None:
        return turn.usage
    used = Usage(observed.tokens_in, observed.tokens_out)
    return used if turn.usage is None else turn.usage + used


def _with_costs(
    turn: Turn, exchanges: Sequence[ObservedExchange], timings: Sequence[Timings | None]
) -> Turn:
    """With what all exchanges of the turn cost and took, where that is known of each."""
    costs = [each.cost for each in exchanges]
    known_costs = [each for each in costs if each is not None]
    known = [each for each in timings if each is not None]
    if known_costs and len(known_costs) == len(costs):
        turn = replace(turn, cost=sum(known_costs))
    if known and len(known) == len(timings):
        total_ms = sum(each.total_ms for each in known)
        turn = replace(turn, timings=replace(known[0], total_ms=total_ms))
    return turn


def _result(call: ToolCall, tools: Mapping[str, ToolFile], turn: TurnFile) -> ToolResult:
    """What the case's client gives back for a call."""
    if call.name in turn.fails:
        return ToolResult(call.call_id, call.name, turn.fails[call.name], is_error=True)
    if call.name in turn.gives:
        return ToolResult(call.call_id, call.name, _text(turn.gives[call.name]))
    if call.name in tools:
        return ToolResult(call.call_id, call.name, _text(tools[call.name].gives))
    return ToolResult(call.call_id, call.name, _NO_TOOL, is_error=True)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
