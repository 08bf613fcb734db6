"""What a check looks at, and what it says."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson

from app.domain.conduct import Conduct
from app.domain.policy import Stage
from app.evals.transcript import Transcript, Turn
from app.guardrails.context import Context


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Whether one check held. Quotes the author of the case, never an answer."""

    check: str
    """The kind of check, by the key that files have: ``contains``, ``judge``, a detector's name."""
    conduct: Conduct
    """Held, failed or not scored."""
    why: str = ""
    """What is wrong, or why it could not be made; empty where it held."""
    score: float | None = None
    """In [0, 1], for checks that give more than yes or no: how much like, how sure a judge is."""
    place: str = ""
    """Where the case asks it, such as ``turns[1].expect[0]``."""
    turn: int | None = None
    """Which turn it is about, counted from 0; none for the whole conversation."""
    can_gate: bool = True
    """Whether it may stop a merge: no where a judge decides that has not shown that it can."""


@dataclass(frozen=True, slots=True)
class LookedAt:
    """One turn, or the whole conversation."""

    turns: tuple[Turn, ...]
    is_whole: bool
    system: str = ""

    @property
    def text(self) -> str:
        """All that was answered."""
        return "\n\n".join(turn.answer for turn in self.turns if turn.answer)

    @property
    def last(self) -> str:
        """The last answer."""
        return self.turns[-1].answer if self.turns else ""

    @property
    def conversation(self) -> str:
        """What a judge is shown: the answer, or all turns as JSON, which nobody in it can end."""
        if not self.is_whole:
            return self.text
        told = [
            {
                "user": turn.user,
                **({"tools": _tools(turn)} if turn.tool_calls else {}),
                "assistant": turn.answer,
            }
            for turn in self.turns
        ]
        return orjson.dumps(told).decode()

    @property
    def context(self) -> Context:
        """What detectors compare the text with."""
        documents = tuple(each.text for turn in self.turns for each in turn.tool_results)
        question = self.turns[-1].user if self.turns else ""
        return Context(Stage.OUTPUT, self.system, question, documents=documents, of="text")


def _tools(turn: Turn) -> list[dict[str, object]]:
    gave = {each.call_id: each for each in turn.tool_results}
    return [
        {
            "called": call.name,
            "arguments": call.arguments,
            "gave": gave[call.call_id].text if call.call_id in gave else None,
        }
        for call in turn.tool_calls
    ]


def looked_at(transcript: Transcript, turn: int | None) -> LookedAt | str:
    """What a check looks at, or why there is nothing to look at."""
    turns = transcript.turns if turn is None else transcript.turns[turn : turn + 1]
    if not turns:
        return "the conversation ended before that"
    if turns[-1].error is not None:
        return f"no answer came: {turns[-1].error}"
    return LookedAt(turns, turn is None, transcript.system)


def held(score: float | None = None) -> CheckResult:
    """It holds."""
    return CheckResult("", Conduct.HELD, score=score)


def failed(why: str, score: float | None = None) -> CheckResult:
    """It does not hold."""
    return CheckResult("", Conduct.FAILED, why, score)


def not_scored(why: str) -> CheckResult:
    """It could not be made; never to be read as held."""
    return CheckResult("", Conduct.NOT_SCORED, why)


def held_if(is_held: bool, why: str, score: float | None = None) -> CheckResult:  # noqa: FBT001  # the question itself
    """It holds, or why it does not."""
    return held(score) if is_held else failed(why, score)


def all_of(results: Sequence[CheckResult]) -> CheckResult:
    """One that fails decides; then one that could not be made."""
    return _first(results, Conduct.FAILED) or _first(results, Conduct.NOT_SCORED) or held()


def _first(results: Iterable[CheckResult], conduct: Conduct) -> CheckResult | None:
    return next((each for each in results if each.conduct is conduct), None)


def listing(texts: Iterable[str]) -> str:
    """Texts of the case's author, as a message quotes them."""
    return ", ".join(repr(text) for text in texts)
