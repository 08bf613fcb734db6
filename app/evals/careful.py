"""Recordings that take no answer with a credential in it."""

from functools import cached_property

from typing_extensions import override

from app.domain.conduct import Conduct
from app.domain.events import (
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
)
from app.domain.persona import Behaviour, Verify
from app.domain.policy import Stage
from app.domain.recording import Recording, RecordingError, Recordings
from app.guardrails.behaviours import PlannedBehaviour, look, plan_behaviour, resolve
from app.guardrails.context import Context
from app.guardrails.plan import Builds


class Careful(Recordings):
    """Looks for credentials before it keeps an answer: files of recordings go into reviews."""

    def __init__(self, behind: Recordings, builds: Builds) -> None:
        self._behind = behind
        self._builds = builds

    @cached_property
    def _looks(self) -> PlannedBehaviour:
        """Made when the first answer is kept: most runs keep none."""
        verify = Verify(detector="secrets", settings={}, expect="absent")
        wanted = Behaviour(id="recording", instruct="", verify=verify)
        return plan_behaviour(wanted, verify, 100, self._builds)

    @override
    def find(self, key: str) -> Recording | None:
        return self._behind.find(key)

    @override
    async def keep(self, recording: Recording) -> None:
        texts = dict(enumerate(_texts(recording)))
        seen = await look([self._looks], texts, Context(Stage.OUTPUT), None)
        (measured,) = resolve([self._looks], seen, 1).measured if texts else (None,)
        if measured is not None and measured.conduct is not Conduct.HELD:
            what = "the answer is not recorded: something in it looks like a credential"
            raise RecordingError(f"{what}; change the case, or run it live")
        await self._behind.keep(recording)


def _texts(recording: Recording) -> list[str]:
    texts = []
    for event in recording.events:
        match event:
            case TextDelta(text) | RefusalDelta(text) | ReasoningDelta(text):
                texts.append(text)
            case ToolCallDelta(arguments=arguments):
                texts.append(arguments)
            case _:
                pass  # no text of a model
    return [text for text in texts if text]
