"""Recorded answers in front of a backend or of endpoints, each question known by its digest."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from typing_extensions import override

from app.domain.catalog import Feature
from app.domain.clock import Clock
from app.domain.conversation import Conversation
from app.domain.errors import BackendError, BackendProblem, DetectorError
from app.domain.events import (
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    TokenDelta,
    ToolCallDelta,
    Usage,
)
from app.domain.protocols import AnswerT, Backend, Outside, Question
from app.domain.recording import (
    GivenBy,
    Purpose,
    Recording,
    RecordingError,
    Recordings,
    digest_of_post,
    digest_of_question,
)


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """A question that no recording answers."""

    purpose: Purpose
    backend: str
    model: str


@dataclass(slots=True)
class Questions:
    """The questions of one run of one case, in order."""

    suite: str
    case: str
    repeat: int
    answered: list[tuple[Purpose, Recording]] = field(default_factory=list)
    """From recordings, or recorded now."""
    unrecorded: list[Unrecorded] = field(default_factory=list)
    is_over_ceiling: bool = False
    """A question was not asked, since the run may not cost more."""
    _asked: Counter[str] = field(default_factory=Counter)
    _step: int = 0

    def next_step(self) -> int:
        """The number of the answer that comes now."""
        self._step += 1
        return self._step - 1

    def begin(self, digest: Callable[[int], str]) -> str:
        """The key of a question: ``digest`` gives it for the nth time that it is asked."""
        first = digest(0)
        nth = self._asked[first]
        self._asked[first] += 1
        return digest(nth) if nth else first

    def take_back(self, digest: Callable[[int], str]) -> None:
        """Nothing was answered: the next time that it is asked is this time."""
        self._asked[digest(0)] -= 1


@dataclass(frozen=True, slots=True)
class Recorder:
    """What recorded backends of one run of a case share."""

    recordings: Recordings
    questions: Questions
    clock: Clock
    scripted: frozenset[str] = frozenset()
    """Backends whose answers people wrote."""

    def found(self, key: str, purpose: Purpose) -> Recording | None:
        """The recorded answer, noted as given."""
        found = self.recordings.find(key)
        if found is not None:
            self.questions.next_step()
            self.questions.answered.append((purpose, found))
        return found

    def missing(self, purpose: Purpose, backend: str, model: str) -> str:
        """Note that there is no answer; gives the message for whoever asked."""
        self.questions.unrecorded.append(Unrecorded(purpose, backend, model))
        return "no answer to this is recorded; --answers record asks for it"

    async def keep(self, recording: Recording) -> Recording:
        """Keep an answer, and note it as given."""
        kept = replace(recording, step=self.questions.next_step())
        await self.recordings.keep(kept)
        self.questions.answered.append((kept.purpose, kept))
        return kept

    def new(self, key: str, purpose: Purpose, backend: str, model: str) -> Recording:
        """A recording of an answer that is still to come."""
        questions = self.questions
        by = GivenBy.SCRIPT if backend in self.scripted else GivenBy.MODEL
        return Recording(
            key=key,
            suite=questions.suite,
            case=questions.case,
            repeat=questions.repeat,
            step=0,
            purpose=purpose,
            backend=backend,
            model=model,
            given_by=by,
            on=self.clock.now().date(),
            events=(),
        )


class RecordedBackend(Backend):
    """Gives recorded answers, and asks the backend behind it for those that are not there.

    An answer is recorded where it came to its end, before any of it is given: policy may not want
    all of it today, and more of it tomorrow. One that fails is asked for again.
    """

    gives = frozenset(Feature)

    def __init__(
        self, recorder: Recorder, purpose: Purpose, backend: str, behind: Backend | None
    ) -> None:
        """Stand in front of a backend.

        Args:
            recorder: What this run of a case shares.
            purpose: What is asked of this backend here is for this.
            backend: The id of the one behind.
            behind: Asked for what is not recorded; none where nobody is asked, and then any
                request is taken for one that it could carry.
        """
        self._recorder = recorder
        self._purpose = purpose
        self._backend = backend
        self._behind = behind
        if behind is not None:
            self.gives = behind.gives

    @override
    async def stream(
        self, conversation: Conversation, model: str
    ) -> AsyncGenerator[StreamEvent, None]:
        """The recorded answer, or the one that is recorded now."""
        recorder = self._recorder

        def digest(nth: int) -> str:
            return digest_of_question(self._backend, model, conversation, nth)

        key = recorder.questions.begin(digest)
        found = recorder.found(key, self._purpose)
        if found is None:
            try:
                found = await self._asked(key, conversation, model)
            except BaseException:
                recorder.questions.take_back(digest)
                raise
        for event in found.events:
            yield event
        if found.usage is not None:
            yield found.usage

    async def _asked(self, key: str, conversation: Conversation, model: str) -> Recording:
        """The answer of the backend behind, kept."""
        recorder, clock = self._recorder, self._recorder.clock
        if self._behind is None:
            what = recorder.missing(self._purpose, self._backend, model)
            raise BackendError(BackendProblem.REJECTED, what)
        began_s, first_s = clock.monotonic(), 0.0
        events: list[StreamEvent] = []
        async with aclosing(self._behind.stream(conversation, model)) as stream:
            async for event in stream:
                first_s = first_s if events else clock.monotonic() - began_s
                events.append(event)
        if sum(isinstance(event, Finish) for event in events) != conversation.sampling.choices:
            raise BackendError(BackendProblem.BROKEN, "the answer ended too early")
        new = replace(
            recorder.new(key, self._purpose, self._backend, model),
            events=tuple(joined(event for event in events if not isinstance(event, Usage))),
            usage=next((event for event in events if isinstance(event, Usage)), None),
        )
        if new.given_by is GivenBy.MODEL:
            total_s = clock.monotonic() - began_s
            new = replace(new, first_ms=round(1000 * first_s), total_ms=round(1000 * total_s))
        try:
            return await recorder.keep(new)
        except RecordingError as exc:
            raise BackendError(BackendProblem.REJECTED, str(exc)) from None

    @override
    async def close(self) -> None:
        """Nothing: whoever started the backend behind closes it."""


def joined(events: Iterable[StreamEvent]) -> Iterator[StreamEvent]:
    """The same answer in as few events as it takes: how it was cut says nothing."""
    held: StreamEvent | None = None
    for event in events:
        both = None if held is None else _both(held, event)
        if both is None and held is not None:
            yield held
        held = both or event
    if held is not None:
        yield held


def _both(one: StreamEvent, next_: StreamEvent) -> StreamEvent | None:
    """Both as one event; none where they are of different texts, or carry tokens."""
    if isinstance(one, TokenDelta) or isinstance(next_, TokenDelta):
        return None
    match one, next_:
        case TextDelta(), TextDelta(more) if one == replace(next_, text=one.text):
            return replace(one, text=one.text + more)
        case RefusalDelta(), RefusalDelta(more) if one == replace(next_, text=one.text):
            return replace(one, text=one.text + more)
        case ReasoningDelta(), ReasoningDelta() if one == ReasoningDelta(one.text, next_.choice):
            return None if next_.is_redacted else replace(next_, text=one.text + next_.text)
        case ToolCallDelta(), ToolCallDelta(arguments=more) if next_ == ToolCallDelta(
            one.index, more, choice=one.choice
        ):
            return replace(one, arguments=one.arguments + more)
        case _:
            return None


class RecordedOutside(Outside):
    """What detectors ask, with what endpoints answer recorded; models are recorded as backends."""

    def __init__(self, recorder: Recorder, outside: Outside, *, asks: bool) -> None:
        self._recorder = recorder
        self._outside = outside
        self._asks = asks

    @property
    @override
    def usage(self) -> Usage | None:
        return self._outside.usage

    @override
    async def complete(
        self, route: str, question: Question, read: Callable[[str], AnswerT]
    ) -> AnswerT:
        return await self._outside.complete(route, question, read)

    @override
    async def post(self, endpoint: str, body: bytes, read: Callable[[str], AnswerT]) -> AnswerT:
        def digest(nth: int) -> str:
            return digest_of_post(endpoint, body, nth)

        key = self._recorder.questions.begin(digest)
        found = self._recorder.found(key, Purpose.DETECTOR)
        if found is not None:
            return read("".join(e.text for e in found.events if isinstance(e, TextDelta)))
        try:
            return await self._asked(key, endpoint, body, read)
        except BaseException:
            self._recorder.questions.take_back(digest)
            raise

    async def _asked(
        self, key: str, endpoint: str, body: bytes, read: Callable[[str], AnswerT]
    ) -> AnswerT:
        recorder, purpose = self._recorder, Purpose.DETECTOR
        if not self._asks:
            raise DetectorError(recorder.missing(purpose, endpoint, ""))
        said: list[str] = []

        def reading(text: str) -> AnswerT:
            answer = read(text)
            said.append(text)
            return answer

        answer = await self._outside.post(endpoint, body, reading)
        new = recorder.new(key, purpose, endpoint, "")
        events = (TextDelta(said[-1]), Finish(FinishReason.STOP))
        try:
            await recorder.keep(replace(new, given_by=GivenBy.ENDPOINT, events=events))
        except RecordingError as exc:
            raise DetectorError(str(exc)) from None
        return answer
