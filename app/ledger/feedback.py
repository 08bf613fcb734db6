"""Feedback: an entry of the chain for each time that somebody says something. See decision 0236."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import orjson
import sqlalchemy as sa

from app.domain.conversation import Json
from app.domain.errors import LedgerError, RequestError
from app.domain.feedback import (
    COMMENT,
    CORRECTION,
    DEMONSTRATION,
    Consent,
    Correction,
    Feedback,
    Purpose,
    Said,
    Satisfaction,
    Scale,
    Target,
    TargetKind,
    TaskOutcome,
)
from app.ledger.entries import Kind, Remark
from app.ledger.keyring import Kept, Keyring, Owner
from app.ledger.schema import ENTRIES, FEEDBACK, SUBJECT_KEYS, to_micros
from app.ledger.writer import Transaction

MOST_FEEDBACK = 1000
"""The longest page."""


@dataclass(frozen=True, slots=True)
class Giving:
    """What is to be kept of something that somebody said."""

    id: str
    at: datetime
    tenant: str
    key_id: str
    about: Target
    """As the client names it."""
    request_id: str
    """The exchange that it is about; of a session or subject the newest one."""
    said: Said
    """Texts are rewritten already."""
    original: bytes = field(repr=False)
    """All that was sent. What is sent again under the same id must be the same."""
    version: int = 1
    wish: str | None = field(default=None, repr=False)
    """The client's own id; none where every call says something new."""
    text_days: int = 30
    """How long the texts stay."""
    of_subject: str | None = field(default=None, repr=False)
    """Whom the exchange must be about; none where it may be about anybody."""


_Row = sa.Row[*tuple[Any, ...]]
_WHOSE = sa.select(ENTRIES.c.body, SUBJECT_KEYS.c.lookup, SUBJECT_KEYS.c.wrapped).join_from(
    ENTRIES, SUBJECT_KEYS, ENTRIES.c.owner == SUBJECT_KEYS.c.lookup
)
_KEPT = sa.select(
    FEEDBACK.c.id,
    FEEDBACK.c.at,
    FEEDBACK.c.owner,
    FEEDBACK.c.sealed,
    FEEDBACK.c.fingerprint,
    ENTRIES.c.body,
    SUBJECT_KEYS.c.wrapped,
).select_from(
    FEEDBACK.join(
        ENTRIES, (ENTRIES.c.writer == FEEDBACK.c.writer) & (ENTRIES.c.seq == FEEDBACK.c.seq)
    ).outerjoin(SUBJECT_KEYS, SUBJECT_KEYS.c.lookup == FEEDBACK.c.owner)
)


def keep(keyring: Keyring, giving: Giving) -> Callable[[Transaction], Feedback | None]:
    """A task that keeps feedback, once; gives what is kept, or ``None`` where nothing is.

    Nothing is kept where there is no such exchange, or its subject was erased. The task raises
    ``RequestError`` where the client's id of it stands for something else.
    """
    tenant, about = giving.tenant, giving.about
    whose = _WHOSE.where(
        ENTRIES.c.request_id == giving.request_id,
        ENTRIES.c.kind == Kind.OPENING.value,
        ENTRIES.c.tenant == tenant,
    )
    wish = None if giving.wish is None else keyring.lookup(tenant, "feedback", giving.wish)
    named = giving.of_subject
    of_subject = None if named is None else keyring.owner_lookup(tenant, named)
    is_session = about.kind is TargetKind.SESSION

    def run(transaction: Transaction) -> Feedback | None:
        connection = transaction.connection
        row = connection.execute(whose).one_or_none()
        if row is None or (of_subject is not None and row.lookup != of_subject):
            return None
        owner = keyring.unwrap(row.lookup, row.wrapped)
        fingerprint = owner.fingerprint(giving.original)
        if wish is not None:
            said = connection.execute(_KEPT.where(FEEDBACK.c.wish == wish)).one_or_none()
            if said is not None:
                return _again(keyring, said, fingerprint)
        remark = _remark(giving, owner, orjson.loads(row.body))
        for refusal in transaction.chain.append(transaction.cursor, [remark]):
            if refusal is not None:
                raise refusal
        texts = giving.said.texts
        until = to_micros(giving.at + timedelta(days=giving.text_days))
        connection.execute(
            sa.insert(FEEDBACK).values(
                id=giving.id,
                tenant=tenant,
                wish=wish,
                fingerprint=fingerprint,
                request_id=giving.request_id if about.kind is TargetKind.REQUEST else None,
                session=keyring.lookup(tenant, "session", about.name) if is_session else None,
                owner=owner.lookup,
                at=to_micros(giving.at),
                writer=transaction.chain.writer,
                seq=transaction.chain.last,
                sealed=_sealed(owner, texts, giving.id) if texts else None,
                expires_at=until if texts else None,
            )
        )
        return remark.feedback

    return run


def _again(keyring: Keyring, row: _Row, fingerprint: bytes) -> Feedback:
    if row.fingerprint != fingerprint:
        what = "id: this id was used for other feedback; say something new under a new id"
        raise RequestError(what, param="id", code="conflict")
    return _feedback(keyring, row)


def read_about(
    connection: sa.Connection, keyring: Keyring, request_id: str
) -> tuple[Feedback, ...]:
    """All that was said of an exchange, its session and its subject, oldest first."""
    kept = FEEDBACK.c
    opened = connection.execute(
        sa.select(ENTRIES.c.owner, ENTRIES.c.session).where(
            ENTRIES.c.request_id == request_id, ENTRIES.c.kind == Kind.OPENING.value
        )
    ).one_or_none()
    if opened is None:
        return ()
    about = [kept.request_id == request_id]
    if opened.session is not None:
        about.append(kept.session == opened.session)
    if opened.owner is not None:
        is_of_all = kept.request_id.is_(None) & kept.session.is_(None)
        about.append((kept.owner == opened.owner) & is_of_all)
    rows = connection.execute(_KEPT.where(sa.or_(*about)).order_by(kept.at, kept.id))
    return tuple(_feedback(keyring, row) for row in rows)


@dataclass(frozen=True, slots=True)
class FeedbackFilter:
    """Which feedback is wanted; ``None`` asks for all."""

    tenant: str | None
    since: datetime | None = None
    """Said at this time or later."""
    until: datetime | None = None
    """Said before this time."""
    after: tuple[datetime, str] | None = None
    """Time and id of the last one of the page before."""
    has_texts: bool = True
    """With the texts that are still kept; counting needs none of them."""
    limit: int = MOST_FEEDBACK


def read_page(
    connection: sa.Connection, keyring: Keyring, wanted: FeedbackFilter
) -> tuple[Feedback, ...]:
    """Feedback of everybody, oldest first; fewer than the limit at the end."""
    kept = FEEDBACK.c
    query = _KEPT.order_by(kept.at, kept.id).limit(wanted.limit)
    if wanted.tenant is not None:
        query = query.where(kept.tenant == wanted.tenant)
    if wanted.since is not None:
        query = query.where(kept.at >= to_micros(wanted.since))
    if wanted.until is not None:
        query = query.where(kept.at < to_micros(wanted.until))
    if wanted.after is not None:
        at, last = wanted.after
        query = query.where(sa.tuple_(kept.at, kept.id) > sa.tuple_(to_micros(at), last))
    rows = connection.execute(query)
    return tuple(_feedback(keyring, row, has_texts=wanted.has_texts) for row in rows)


def _remark(giving: Giving, owner: Owner, opening: Json) -> Remark:
    about = giving.about
    if about.kind is not TargetKind.REQUEST:
        about = replace(about, name=owner.reference(about.kind.value, about.name))
    texts = giving.said.texts
    feedback = Feedback(
        id=giving.id,
        at=giving.at,
        tenant=giving.tenant,
        key_id=giving.key_id,
        about=about,
        request_id=giving.request_id,
        persona=opening["persona"],
        variant=opening["variant"],
        catalog=opening["catalog"],
        version=giving.version,
        said=giving.said,
        given=tuple(texts),
    )
    digests = tuple((path, owner.digest(text)) for path, text in texts.items())
    return Remark(feedback, opening["subject"], digests)


def _sealed(owner: Owner, texts: Mapping[str, str], feedback_id: str) -> bytes:
    return owner.seal_content(Kept(tuple(texts.items())), _context(feedback_id))


def _context(feedback_id: str) -> str:
    return f"feedback:{feedback_id}"


def _feedback(keyring: Keyring, row: _Row, *, has_texts: bool = True) -> Feedback:
    texts: dict[str, str] = {}
    if has_texts and row.sealed is not None and row.wrapped is not None:
        owner = keyring.unwrap(row.owner, row.wrapped)
        texts = dict(owner.unseal_content(row.sealed, _context(row.id)).texts)
    try:
        return feedback_of(orjson.loads(row.body), texts)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as exc:
        raise LedgerError("An entry of the ledger was changed: verify an export of it.") from exc


def feedback_of(entry: Json, texts: Mapping[str, str]) -> Feedback:
    """What a feedback entry says, with the texts that are still kept, by path.

    Raises:
        KeyError, TypeError, ValueError: It is no such entry.
    """
    satisfaction, task, consent = entry["satisfaction"], entry["task"], entry["consent"]
    correction = entry["correction"]
    return Feedback(
        id=entry["id"],
        at=datetime.fromisoformat(entry["at"]),
        tenant=entry["tenant"],
        key_id=entry["key_id"],
        about=Target(TargetKind(entry["about"]["kind"]), entry["about"]["name"]),
        request_id=entry["request_id"],
        persona=entry["persona"],
        variant=entry["variant"],
        catalog=entry["catalog"],
        version=entry["version"],
        said=Said(
            satisfaction=satisfaction
            and Satisfaction(Scale(satisfaction["scale"]), satisfaction["value"]),
            task=task and TaskOutcome(task),
            correction=correction and Correction(correction["turn"], texts.get(CORRECTION)),
            comment=texts.get(COMMENT),
            demonstration=texts.get(DEMONSTRATION),
            consent=consent
            and Consent(tuple(Purpose(each) for each in consent["purposes"]), consent["reference"]),
        ),
        given=tuple(each["path"] for each in entry["content"]),
    )
