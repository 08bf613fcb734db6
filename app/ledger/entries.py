"""Records as bytes: the canonical form of an entry, and what stands in it instead of names.

The form is described in decision 0070; ``verify`` checks it without this module.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson

from app.domain.decision import Trace
from app.domain.feedback import Feedback
from app.domain.record import Closing, Opening
from app.domain.rollout import Moved
from app.ledger.keyring import Owner
from app.ledger.verify import VERSION

SALT_BYTES = 16


class Kind(StrEnum):
    """What an entry says."""

    OPENING = "opening"
    CLOSING = "closing"
    ERASURE = "erasure"
    DELETION = "deletion"
    ROLLOUT = "rollout"
    FEEDBACK = "feedback"
    EXPORT = "export"


@dataclass(frozen=True, slots=True)
class Erasure:
    """A person's keys, kept text and pseudonyms were destroyed."""

    at: datetime
    tenant: str
    subject: str
    """What stood in the entries for the subject, which nobody can compute any more."""
    exchanges: int
    """How many exchanges were about the subject."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """The kept text of one exchange was destroyed because its client asked for that."""

    at: datetime
    tenant: str
    key_id: str
    """Whose wish it was."""
    request_id: str


@dataclass(frozen=True, slots=True)
class Exported:
    """A data set was made of what is kept."""

    at: datetime
    tenant: str
    """Whose exchanges it is made of."""
    by: str
    """The account that ran the command."""
    form: str
    """Such as ``sft``."""
    rows: int
    manifest: str
    """SHA-256 of its manifest, which names the hash of each of its files."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Somebody said something of an exchange, a session or all that is about them."""

    feedback: Feedback
    """Its target, where that is a session or subject, is named by what stands for it in entries."""
    subject: str | None
    """What stands in entries for whom the exchange is about."""
    digests: tuple[tuple[str, str], ...]
    """Path and HMAC of each text."""

    @property
    def at(self) -> datetime:
        """When it was said."""
        return self.feedback.at


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a closing entry needs to know of its opening."""

    owner: bytes | None
    """Where the owner's key is found; ``None`` in an orphan, whose closing needs no key."""
    seq: int
    """The number of the opening entry."""
    keeps_content: bool = False
    content_days: int = 0
    findings_days: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """Where in a chain an entry stands."""

    writer: str
    seq: int
    """Counted from 1."""
    previous: str
    """The hash of the entry before it."""


@dataclass(frozen=True, slots=True)
class Findings:
    """A trace in bytes of its own, so that it can go while the entry that names its hash stays."""

    body: bytes
    hash: str
    until: datetime


def detach(trace: Trace, at: datetime, days: int, salt: bytes) -> Findings | None:
    """The bytes of a trace; ``None`` where nothing looked."""
    if not trace:
        return None
    # Without the salt, the hash that stays could be tried against guesses of what was found.
    body = _dumps({"salt": salt.hex(), "trace": trace})
    return Findings(body, sha256(body), at + timedelta(days=days))


def opening_body(opening: Opening, link: Link, owner: Owner, findings: Findings | None) -> bytes:
    """The canonical bytes of an opening entry."""
    return _body(
        Kind.OPENING,
        link,
        findings,
        {
            "at": opening.at,
            "request_id": opening.request_id,
            "tenant": opening.tenant,
            "key_id": opening.key_id,
            "subject": _reference(owner, "subject", opening.subject),
            "session": _reference(owner, "session", opening.session),
            "consent": opening.consent,
            "dialect": opening.dialect,
            "persona": opening.persona,
            "variant": opening.variant,
            "assigned": opening.assigned,
            "shadow_of": opening.shadow_of,
            "audience": opening.audience,
            "policy": opening.policy,
            "catalog": opening.catalog,
            "prompt": opening.prompt,
            "route": opening.route,
            "backend": opening.backend,
            "model": opening.model,
            "is_stream": opening.is_stream,
            "continues": opening.continues,
            "media": opening.media,
            "decisions": opening.decisions,
            "outcome": opening.outcome,
            "content": _digests(owner, opening.content),
        },
    )


def closing_body(
    closing: Closing, link: Link, owner: Owner | None, findings: Findings | None
) -> bytes:
    """The canonical bytes of a closing entry. It needs an owner only where it has content."""
    return _body(
        Kind.CLOSING,
        link,
        findings,
        {
            "at": closing.at,
            "request_id": closing.request_id,
            "status": closing.status,
            "outcome": closing.outcome,
            "decisions": closing.decisions,
            "finish": closing.finish,
            "error": closing.error,
            "usage": closing.usage,
            "attempts": closing.attempts,
            "detector_usage": closing.detector_usage,
            "behaviours": closing.behaviours,
            "timings": closing.timings,
            "held": closing.held,
            "content": _digests(owner, closing.content),
        },
    )


def erasure_body(erasure: Erasure, link: Link) -> bytes:
    """The canonical bytes of an erasure entry."""
    return _body(
        Kind.ERASURE,
        link,
        None,
        {
            "at": erasure.at,
            "tenant": erasure.tenant,
            "subject": erasure.subject,
            "exchanges": erasure.exchanges,
        },
    )


def deletion_body(deletion: Deletion, link: Link) -> bytes:
    """The canonical bytes of a deletion entry."""
    return _body(
        Kind.DELETION,
        link,
        None,
        {
            "at": deletion.at,
            "tenant": deletion.tenant,
            "key_id": deletion.key_id,
            "request_id": deletion.request_id,
        },
    )


def export_body(exported: Exported, link: Link) -> bytes:
    """The canonical bytes of the entry of an export."""
    return _body(
        Kind.EXPORT,
        link,
        None,
        {
            "at": exported.at,
            "tenant": exported.tenant,
            "by": exported.by,
            "form": exported.form,
            "rows": exported.rows,
            "manifest": exported.manifest,
        },
    )


def moved_body(moved: Moved, link: Link) -> bytes:
    """The canonical bytes of a move of a rollout."""
    return _body(
        Kind.ROLLOUT,
        link,
        None,
        {
            "at": moved.at,
            "rollout": moved.rollout,
            "number": moved.number,
            "persona": moved.persona,
            "variant": moved.variant,
            "move": moved.move,
            "step": moved.step,
            "percent": moved.percent,
            "by": moved.by,
            "why": moved.why,
            "catalog": moved.catalog,
            "evidence": moved.evidence,
        },
    )


def feedback_body(remark: Remark, link: Link) -> bytes:
    """The canonical bytes of a feedback entry."""
    feedback, said = remark.feedback, remark.feedback.said
    correction = said.correction
    return _body(
        Kind.FEEDBACK,
        link,
        None,
        {
            "at": feedback.at,
            "id": feedback.id,
            "tenant": feedback.tenant,
            "key_id": feedback.key_id,
            "about": feedback.about,
            "request_id": feedback.request_id,
            "subject": remark.subject,
            "persona": feedback.persona,
            "variant": feedback.variant,
            "catalog": feedback.catalog,
            "version": feedback.version,
            "satisfaction": said.satisfaction,
            "task": said.task,
            "correction": None if correction is None else {"turn": correction.turn},
            "consent": said.consent,
            "content": [{"path": path, "hmac": digest} for path, digest in remark.digests],
        },
    )


def checkpoint_body(at: datetime, writer: str, seq: int, head: str) -> bytes:
    """The canonical bytes of a checkpoint: a chain's head at a time."""
    return _dumps({"v": VERSION, "at": at, "writer": writer, "seq": seq, "head": head})


def line(part: str, digest: str, body: bytes) -> bytes:
    """A line of an export: the hash of the bytes, then the bytes."""
    return b'{"hash":"%b","%b":%b}' % (digest.encode(), part.encode(), body)


def checkpoint_line(body: bytes, signature: str | None) -> bytes:
    """The line of a checkpoint, with its signature behind it; none where it was never signed."""
    whole = line("checkpoint", sha256(body), body)
    return (
        whole if signature is None else b'%b,"signature":"%b"}' % (whole[:-1], signature.encode())
    )


def sha256(body: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def _body(kind: Kind, link: Link, findings: Findings | None, said: Mapping[str, object]) -> bytes:
    return _dumps(
        {
            "v": VERSION,
            "kind": kind,
            "writer": link.writer,
            "seq": link.seq,
            "previous": link.previous,
            **said,
            "findings": findings and {"hash": findings.hash, "until": findings.until},
        }
    )


def _reference(owner: Owner, kind: str, name: str | None) -> str | None:
    return None if name is None else owner.reference(kind, name)


def _digests(owner: Owner | None, content: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    if owner is None:
        return []
    return [{"path": path, "hmac": owner.digest(text)} for path, text in content]


def _plain(value: Any) -> Any:  # noqa: ANN401  # orjson's own signature
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no place in a record")


def _dumps(value: Mapping[str, object]) -> bytes:
    return orjson.dumps(value, default=_plain, option=orjson.OPT_UTC_Z)
