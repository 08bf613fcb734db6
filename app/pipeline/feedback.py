"""Taking feedback: its texts are rewritten by the policy, and kept where that keeps texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.domain.conversation import Json
from app.domain.errors import FieldRefusedError, RequestError
from app.domain.feedback import (
    COMMENT,
    CORRECTION,
    DEMONSTRATION,
    Feedback,
    Purpose,
    Said,
    Target,
    TargetKind,
    permits,
    standings,
)
from app.domain.policy import KeepContent, Stage
from app.ledger.ledger import Ledger
from app.ledger.records import Record, RecordFilter
from app.pipeline.said import Reading

PARAMS: Mapping[TargetKind, str] = {
    TargetKind.REQUEST: "request_id",
    TargetKind.SESSION: "session",
    TargetKind.SUBJECT: "user",
}
"""The field that names a target of each kind."""


@dataclass(frozen=True, slots=True)
class FeedbackRequest:
    """What somebody says, as it was sent."""

    about: Target
    said: Said
    original: bytes = field(repr=False)
    """All that was sent, but for the id."""
    version: int = 1
    wish: str | None = field(default=None, repr=False)
    """The client's own id of it; none where every call says something new."""


async def spoken_of(ledger: Ledger, about: Target, tenant: str) -> Record | None:
    """The exchange that feedback is about: of a session or subject, the newest one."""
    if about.kind is TargetKind.REQUEST:
        return await ledger.record(about.name, tenant=tenant)
    if about.kind is TargetKind.SESSION:
        wanted = RecordFilter(tenant, session=about.name, limit=1)
    else:
        wanted = RecordFilter(tenant, subject=about.name, limit=1)
    page = await ledger.records(wanted)
    return page.records[0] if page.records else None


async def rewritten(said: Said, reading: Reading) -> Said:
    """What is said, with its texts as policy rewrites them.

    Raises:
        FieldRefusedError: The policy keeps no texts.
        RequestError: Policy would not let the demonstration out as an answer.
        DetectorError: A detector could not look.
    """
    texts = said.texts
    if reading.plan.policy.keep.content is not KeepContent.REWRITTEN:
        what = "this persona's policy keeps no content (keep.content); leave it out"
        raise FieldRefusedError(next(iter(texts)), what)
    seen = dict((await reading.look(texts, Stage.INPUT)).texts)
    if DEMONSTRATION in seen:
        # What models may learn from must be an answer that they would be let to give.
        shown = {DEMONSTRATION: seen[DEMONSTRATION]}
        answer = await reading.look(shown, Stage.OUTPUT)
        if answer.stop is not None:
            what = f"{DEMONSTRATION}: policy would not let this out as an answer"
            raise RequestError(what, param=DEMONSTRATION, code="refused_by_policy")
        seen.update(answer.texts)
    correction = said.correction
    return replace(
        said,
        correction=correction and replace(correction, text=seen.get(CORRECTION)),
        comment=seen.get(COMMENT),
        demonstration=seen.get(DEMONSTRATION),
    )


def _shown(feedback: Feedback, *, shows_texts: bool) -> Json:
    said, about = feedback.said, feedback.about.kind
    satisfaction, correction = said.satisfaction, said.correction
    return {
        "id": feedback.id,
        "at": feedback.at,
        "key_id": feedback.key_id,
        "about": about,
        "version": feedback.version,
        "satisfaction": satisfaction
        and {
            "scale": satisfaction.scale,
            "value": satisfaction.value,
            "score": satisfaction.score,
        },
        "task": said.task,
        "correction": correction and {"turn": correction.turn},
        "consent": said.consent,
        "given": feedback.given,
        **({"texts": dict(said.texts)} if shows_texts else {}),
    }


def heard(feedback: Sequence[Feedback], *, shows_texts: bool = False) -> Mapping[str, Json]:
    """What a record shows of all that was said of its exchange, its session and its subject.

    Texts are shown to those alone who can read the ledger's own file.
    """
    consents = [each.consent for each in standings(feedback).values()]
    return {
        "feedback": [_shown(each, shows_texts=shows_texts) for each in feedback],
        "permits": [each for each in Purpose if permits(each, consents)],
    }
