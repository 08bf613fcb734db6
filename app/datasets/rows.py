"""Rows: what is made of exchanges whose texts are clean."""

import hmac
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import orjson

from app.datasets.exchanges import Exchange, Opinion
from app.datasets.messages import answer_of, wire_messages
from app.datasets.wanted import WORSE_BELOW
from app.domain.conversation import Json, Message
from app.domain.feedback import TaskOutcome

REWARD = (
    "the mean of what was said of the answer: satisfaction (0 to 1), the task (completed 1; "
    "failed, abandoned and escalated 0), and 0 where the answer was corrected; of satisfaction and "
    "task, what was said of the session where nothing was said of the answer"
)
"""The formula of ``reward``, for people."""


class Kind(StrEnum):
    """What a row is for."""

    SFT = "sft"
    DPO = "dpo"
    RL = "rl"


@dataclass(frozen=True, slots=True)
class Clean:
    """An exchange whose texts may leave."""

    exchange: Exchange
    asked: tuple[Message, ...]
    answered: tuple[Message, ...]
    better: str | None
    """The answer as it should have been."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a data set."""

    kind: Kind
    prompt: Sequence[Json]
    """Messages, as OpenAI's chat completions have them."""
    chosen: Sequence[Json]
    """The answer; in ``dpo``, the better one."""
    rejected: Sequence[Json] = ()
    reward: float | None = None
    is_as_given: bool = True
    """Whether ``chosen`` is what the model answered."""
    sources: tuple[Exchange, ...] = ()
    feedback: tuple[str, ...] = ()
    """What was said, such as ``satisfaction:thumb``."""
    key: bytes = field(default=b"", repr=False)

    @property
    def order(self) -> tuple[bool, bytes]:
        """Rows with an answer that people wrote first; of the rest, none before its time."""
        return self.is_as_given, self.digest

    @property
    def digest(self) -> bytes:
        """Of what it says."""
        told = [self.kind, self.prompt, self.chosen, self.rejected, self.reward]
        return hmac.digest(self.key, orjson.dumps(told), "sha256")


def sft_row(clean: Clean, min_satisfaction: float, key: bytes) -> Row | None:
    """A prompt with an answer that is worth learning; none where nobody said that one is."""
    opinion = clean.exchange.opinion
    prompt = wire_messages(clean.asked)
    chosen, is_as_given = _given(clean), True
    if clean.better is not None:
        chosen, is_as_given = [answer_of(clean.better)], False
    elif opinion.about.corrections or (opinion.score or 0.0) < min_satisfaction:
        return None
    said = _said(opinion)
    return Row(Kind.SFT, prompt, chosen, (), None, is_as_given, (clean.exchange,), said, key)


def rl_row(clean: Clean, key: bytes) -> Row | None:
    """A prompt with the answer that was given, and a reward; none where nothing was said."""
    reward = reward_of(clean.exchange.opinion)
    if reward is None:
        return None
    prompt, given = wire_messages(clean.asked), _given(clean)
    said = _said(clean.exchange.opinion)
    return Row(Kind.RL, prompt, given, (), reward, True, (clean.exchange,), said, key)  # noqa: FBT003  # the answer as it was given


def dpo_rows(all_clean: Iterable[Clean], min_satisfaction: float, key: bytes) -> Iterator[Row]:
    """A better and a worse answer to one prompt.

    The better one is what somebody wrote in its place; or of two answers to the same prompt, one
    that is worth learning beside one that is not.
    """
    by_prompt: defaultdict[bytes, list[Clean]] = defaultdict(list)
    for clean in all_clean:
        if clean.better is not None:
            row = _pair([answer_of(clean.better)], clean, (clean.exchange,), key)
            yield replace(row, is_as_given=False)
        else:
            by_prompt[orjson.dumps(wire_messages(clean.asked))].append(clean)
    for together in by_prompt.values():
        rated = [(each.exchange.opinion.score, each) for each in together]
        good = [(score, each) for score, each in rated if (score or 0.0) >= min_satisfaction]
        bad = [(score, each) for score, each in rated if score is not None and score < WORSE_BELOW]
        if good and bad:
            best = max(good, key=_rank)[1]
            worst = min(bad, key=_rank)[1]
            yield _pair(_given(best), worst, (best.exchange, worst.exchange), key)


def _rank(rated: tuple[float | None, Clean]) -> tuple[float, str]:
    return rated[0] or 0.0, rated[1].exchange.record.request_id


def _pair(chosen: Sequence[Json], worse: Clean, sources: tuple[Exchange, ...], key: bytes) -> Row:
    prompt, given = wire_messages(worse.asked), _given(worse)
    said = dict.fromkeys(each for source in sources for each in _said(source.opinion))
    return Row(Kind.DPO, prompt, chosen, given, sources=sources, feedback=tuple(said), key=key)


def reward_of(opinion: Opinion) -> float | None:
    """The reward, by the formula ``REWARD``; none where nothing was said."""
    task = opinion.about.task or opinion.session.task
    parts: list[float] = []
    if opinion.score is not None:
        parts.append(opinion.score)
    if task is not None:
        parts.append(float(task is TaskOutcome.COMPLETED))
    if opinion.about.corrections:
        parts.append(0.0)
    return round(sum(parts) / len(parts), 6) if parts else None


def _given(clean: Clean) -> list[Json]:
    return wire_messages(clean.answered)


def _said(opinion: Opinion) -> tuple[str, ...]:
    """What was said, in words that hold no text."""
    found: list[str] = []
    for prefix, said in (("", opinion.about), ("session ", opinion.session)):
        if said.satisfaction is not None:
            found.append(f"{prefix}satisfaction {said.satisfaction.score:g}")
        if said.task is not None:
            found.append(f"{prefix}task {said.task}")
    if opinion.about.corrections:
        found.append("correction")
    if opinion.about.demonstration:
        found.append("demonstration")
    return tuple(found)
