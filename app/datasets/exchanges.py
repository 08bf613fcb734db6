"""What may be learned from: exchanges whose consent, retention and end allow it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from app.datasets.wanted import Reason
from app.domain.conversation import FilePart, ImagePart, Message, Part, ReasoningPart
from app.domain.decision import Outcome
from app.domain.feedback import Consent, Purpose, Standing, TargetKind, permits, standings
from app.domain.record import Status
from app.ledger.records import KeptTurns, Record
from app.ledger.sources import Source
from app.pipeline.turns import whole

_STOPPED = frozenset({Outcome.BLOCK, Outcome.ESCALATE, Outcome.UNCHECKED})
_OTHER_CHOICE = re.compile(r"choices\[[1-9]")


@dataclass(frozen=True, slots=True)
class Opinion:
    """What holds of an answer, of all that was said of it and of its session."""

    about: Standing
    """Of the exchange alone."""
    session: Standing
    consents: tuple[Consent, ...]

    @property
    def score(self) -> float | None:
        """How content somebody was with the answer, or else with its session, in [0, 1]."""
        for said in (self.about.satisfaction, self.session.satisfaction):
            if said is not None:
                return said.score
        return None

    @property
    def better(self) -> tuple[str, str] | None:
        """Which text is the answer as it should have been, and the text."""
        if self.about.demonstration:
            return "demonstration", self.about.demonstration
        for correction in self.about.corrections:
            if correction.text:
                return "correction", correction.text
        return None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange that may be learned from. Its texts have not been looked at again yet."""

    record: Record
    subject: bytes | None
    session: bytes | None
    asked: tuple[Message, ...]
    answered: tuple[Message, ...]
    kept: KeptTurns
    opinion: Opinion


def learnable(source: Source) -> Exchange | Reason:
    """The exchange, or why nothing may be learned from it."""
    record, turns = source.record, source.turns
    opinion = opinion_of(source)
    reason = _unfit(record) or consent_missing(opinion.consents)
    if reason is not None:
        return reason
    if turns is None:
        return Reason.NOT_KEPT
    asked, answered = (_told(whole(each, turns)) for each in (turns.asked, turns.answered))
    if reason := _unreadable(record, asked, answered):
        return reason
    return Exchange(record, source.subject, source.session, asked, answered, turns, opinion)


def opinion_of(source: Source) -> Opinion:
    """What holds of an exchange, of all that was said."""
    said = standings(source.feedback)
    by_kind = {about.kind: standing for about, standing in said.items()}
    return Opinion(
        by_kind.get(TargetKind.REQUEST, Standing()),
        by_kind.get(TargetKind.SESSION, Standing()),
        tuple(each.consent for each in said.values() if each.consent is not None),
    )


def consent_missing(consents: Iterable[Consent]) -> Reason | None:
    """Why training is not allowed; none where it is."""
    said = tuple(consents)
    if permits(Purpose.TRAIN, said):
        return None
    return Reason.WITHDRAWN if said else Reason.NO_CONSENT


def _unfit(record: Record) -> Reason | None:
    if record.opening.get("shadow_of") is not None:
        return Reason.SHADOW
    if record.status is not Status.COMPLETED or record.closing is None:
        return Reason.NOT_COMPLETED
    if record.outcome in _STOPPED:
        return Reason.STOPPED
    return None


def _unreadable(
    record: Record, asked: tuple[Message, ...], answered: tuple[Message, ...]
) -> Reason | None:
    told = record.closing["content"] if record.closing is not None else []
    if any(_OTHER_CHOICE.match(each["path"]) for each in told):
        return Reason.SEVERAL_ANSWERS
    parts: list[Part] = [part for turn in (*asked, *answered) for part in turn.parts]
    if any(isinstance(part, ImagePart | FilePart) for part in parts):
        return Reason.MEDIA
    if not any(turn.parts for turn in asked) or not any(turn.parts for turn in answered):
        return Reason.NO_TEXT
    return None


def _told(turns: tuple[Message, ...]) -> tuple[Message, ...]:
    """Turns without reasoning, which is the model's own, and without names of speakers."""
    return tuple(
        Message(
            turn.role,
            turn.origin,
            tuple(part for part in turn.parts if not isinstance(part, ReasoningPart)),
            path=turn.path,
        )
        for turn in turns
    )
