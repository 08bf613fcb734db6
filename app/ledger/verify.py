"""Checks an export of the ledger. Needs Python's standard library alone, so it runs anywhere.

The form of the lines is described in decision 0070. In short, each line is
``{"hash":"<h>","<part>":<bytes>}`` where h is the SHA-256 of the bytes as they stand there:
checkpoints first, then the entries ordered by writer and number, each followed by its findings
until these expire. An entry names the hash of the one before it.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import chain
from typing import Any

VERSION = 1
GENESIS = "0" * 64
"""What the first entry of a writer names as the one before it."""

_LINE = re.compile(
    rb'\{"hash":"([0-9a-f]{64})","(entry|findings|checkpoint)":(\{.*\})'
    rb'(?:,"signature":(null|"[\x20-\x21\x23-\x5b\x5d-\x7e]*"))?\}'
)


IsSigned = Callable[[bytes, bytes], bool]
"""Whether some bytes have this signature (Ed25519), by a key that is known to be the ledger's."""


class Damage(StrEnum):
    """What is wrong."""

    MALFORMED = "malformed"
    """The line is not of the form."""
    CHANGED = "changed"
    """The bytes do not have the hash that stands beside them."""
    REMOVED = "removed"
    """Something that must stand here is in no line."""
    REORDERED = "reordered"
    """It stands in the wrong place, or twice."""
    TRUNCATED = "truncated"
    """A chain ends before a checkpoint that was taken of it."""
    FORGED_LINK = "forged link"
    """The hash that another line names is not this one's."""
    FORGED_SIGNATURE = "forged signature"
    """A checkpoint is not signed, or not by the key that was given."""


@dataclass(frozen=True)
class Head:
    """The last entry of a chain."""

    writer: str
    seq: int
    hash: str


@dataclass(frozen=True)
class Intact:
    """Nothing is wrong. Keep the heads elsewhere to find truncation later."""

    entries: int
    heads: tuple[Head, ...]
    checkpoints: int
    """How many checkpoints were compared with the chains."""


@dataclass(frozen=True)
class Broken:
    """The first thing that is wrong. Later lines were not looked at."""

    damage: Damage
    line: int
    """Counted from 1; 0 where a line is missing at the end."""
    writer: str
    """Empty where the line does not say."""
    seq: int
    """The number of the entry that is wrong or missing; 0 where the line does not say."""
    what: str
    """In words."""


class _Stop(Exception):  # noqa: N818  # carries the answer out; nothing went wrong here
    def __init__(self, damage: Damage, what: str, writer: str = "", seq: int = 0) -> None:
        super().__init__(what)
        self.damage = damage
        self.what = what
        self.writer = writer
        self.seq = seq


@dataclass(frozen=True)
class _Part:
    name: str
    hash: str
    body: dict[str, Any]
    raw: bytes
    """The bytes that the hash is of."""
    signature: bytes
    """In base64; empty where there is none."""

    def text(self, key: str) -> str:
        value = self.body.get(key)
        if isinstance(value, str):
            return value
        raise _Stop(Damage.MALFORMED, f"{key} is not a string")

    def number(self) -> int:
        value = self.body.get("seq")
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
        raise _Stop(Damage.MALFORMED, "seq is not a whole number from 1 on")


def verify(
    lines: Iterable[bytes],
    *,
    at: datetime,
    checkpoints: Iterable[bytes] = (),
    is_signed: IsSigned | None = None,
) -> Intact | Broken:
    """Find the first change, removal, reordering or truncation in an export.

    Args:
        lines: The export, whole, with or without line ends.
        at: The time now, with its zone: findings may be missing once their time is up.
        checkpoints: Checkpoint lines that were kept elsewhere. Without them, entries cut off at
            the end of a chain are not missed.
        is_signed: Asked of every checkpoint, those of the export too. None looks at no signature:
            Python's standard library knows no Ed25519.

    Returns:
        What was found. Never raises, whatever the bytes are.
    """
    verifier = Verifier(at=at, is_signed=is_signed)
    number = 0
    for number, line in enumerate(checkpoints, 1):
        broken = verifier.expect(line, number)
        if broken is not None:
            return broken
    return verifier.take(lines) or verifier.end()


class Verifier:
    """The same, some lines at a time."""

    def __init__(self, *, at: datetime, is_signed: IsSigned | None = None) -> None:
        self._state = _State(at, is_signed)
        self._lines = 0

    @property
    def entries(self) -> int:
        """How many entries were looked at."""
        return self._state.entries

    def expect(self, line: bytes, number: int) -> Broken | None:
        """Take a checkpoint that was kept elsewhere, before the first line."""
        try:
            self._state.take_checkpoint(_read(line))
        except _Stop as stop:
            what = f"a checkpoint kept elsewhere: {stop.what}"
            return Broken(stop.damage, number, stop.writer, stop.seq, what)
        return None

    def take(self, lines: Iterable[bytes]) -> Broken | None:
        """Go on with these lines. What is missing is looked for among the rest of them."""
        rest = iter(lines)
        for line in rest:
            self._lines += 1
            try:
                self._state.take(_read(line))
            except _Gap as gap:
                return gap.seen_in(chain([line], rest), self._lines)
            except _Stop as stop:
                return Broken(stop.damage, self._lines, stop.writer, stop.seq, stop.what)
        return None

    def end(self) -> Intact | Broken:
        """What was found, when there are no more lines and nothing was wrong."""
        state = self._state
        try:
            state.end()
        except _Stop as stop:
            return Broken(stop.damage, 0, stop.writer, stop.seq, stop.what)
        return Intact(state.entries, tuple(state.heads), state.compared)


class _Gap(_Stop):
    """An entry is not where it must be: removed, unless a later line holds it."""

    def seen_in(self, rest: Iterable[bytes], number: int) -> Broken:
        for line in rest:
            try:
                part = _read(line)
                found = part.name == "entry" and (part.text("writer"), part.number())
            except _Stop:
                continue
            if found == (self.writer, self.seq):
                what = f"entry {self.seq} stands after later ones"
                return Broken(Damage.REORDERED, number, self.writer, self.seq, what)
        return Broken(self.damage, number, self.writer, self.seq, self.what)


@dataclass
class _State:
    at: datetime
    is_signed: IsSigned | None
    entries: int = 0
    heads: list[Head] = field(default_factory=list)
    compared: int = 0
    expected: dict[tuple[str, int], str] = field(default_factory=dict)
    """Heads by writer and number, as checkpoints say, of entries that are still to come."""
    owed: tuple[str, datetime, Head] | None = None
    """The hash and last day of the findings of the entry just read."""

    def take(self, part: _Part) -> None:
        if part.name == "findings":
            self.take_findings(part)
            return
        self.settle()
        if part.name == "entry":
            self.take_entry(part)
        elif self.entries:
            raise _Stop(Damage.REORDERED, "a checkpoint stands after entries")
        else:
            self.take_checkpoint(part)

    def take_checkpoint(self, part: _Part) -> None:
        if part.name != "checkpoint":
            raise _Stop(Damage.MALFORMED, "the line is not a checkpoint")
        place = (part.text("writer"), part.number())
        head = part.text("head")
        if self.is_signed is not None and not self.is_signed(part.raw, _decoded(part.signature)):
            what = f"the checkpoint of entry {place[1]} is not signed by this key"
            raise _Stop(Damage.FORGED_SIGNATURE, what, *place)
        if self.expected.setdefault(place, head) != head:
            raise _Stop(Damage.FORGED_LINK, "two checkpoints of one entry disagree", *place)

    def take_entry(self, part: _Part) -> None:
        head = Head(part.text("writer"), part.number(), part.hash)
        self.compare_place(head, part.text("previous"))
        known = self.expected.pop((head.writer, head.seq), None)
        if known is not None:
            self.compared += 1
            if known != head.hash:
                what = f"entry {head.seq} is not the one that a checkpoint was taken of"
                raise _Stop(Damage.FORGED_LINK, what, head.writer, head.seq)
        if self.heads and self.heads[-1].writer == head.writer:
            self.heads[-1] = head
        else:
            self.heads.append(head)
        self.entries += 1
        self.owed = _findings_of(part, head)

    def compare_place(self, head: Head, previous: str) -> None:
        last = self.heads[-1] if self.heads else Head("", 0, GENESIS)
        if last.writer != head.writer:
            if self.heads and head.writer < last.writer:
                what = f"entry {head.seq} stands after those of a later writer"
                raise _Stop(Damage.REORDERED, what, head.writer, head.seq)
            last = Head(head.writer, 0, GENESIS)
        if head.seq <= last.seq:
            what = f"entry {head.seq} stands after entry {last.seq}, or twice"
            raise _Stop(Damage.REORDERED, what, head.writer, head.seq)
        if head.seq > last.seq + 1:
            missing = last.seq + 1
            what = f"entry {missing} is missing before entry {head.seq}"
            raise _Gap(Damage.REMOVED, what, head.writer, missing)
        if previous != last.hash:
            before = f"entry {last.seq}" if last.seq else "the start of the chain"
            what = f"entry {head.seq} does not follow on {before}: one of the two was replaced"
            raise _Stop(Damage.FORGED_LINK, what, head.writer, head.seq)

    def take_findings(self, part: _Part) -> None:
        if self.owed is None:
            raise _Stop(Damage.REORDERED, "findings stand without their entry")
        digest, _, head = self.owed
        if part.hash != digest:
            what = f"these are not the findings of entry {head.seq}"
            raise _Stop(Damage.FORGED_LINK, what, head.writer, head.seq)
        self.owed = None

    def settle(self) -> None:
        """Refuse to go on while findings are missing that must still be there."""
        if self.owed is not None:
            _, until, head = self.owed
            if self.at < until:
                what = f"the findings of entry {head.seq} are missing before their time is up"
                raise _Stop(Damage.REMOVED, what, head.writer, head.seq)
            self.owed = None

    def end(self) -> None:
        self.settle()
        if self.expected:
            writer, seq = min(self.expected)
            last = next((head.seq for head in self.heads if head.writer == writer), 0)
            what = f"the chain ends after entry {last}; a checkpoint was taken of entry {seq}"
            raise _Stop(Damage.TRUNCATED, what, writer, last + 1)


def body_of(line: bytes) -> tuple[str, dict[str, Any]]:
    """Which part a line is, and what it says; its hash is checked, and nothing else.

    Raises:
        ValueError: It is not of the form, or was changed.
    """
    try:
        part = _read(line)
    except _Stop as stop:
        raise ValueError(stop.what) from None
    return part.name, part.body


def _decoded(signature: bytes) -> bytes:
    """The bytes of a signature; none where it is no base64, which no key can have signed with."""
    try:
        return base64.b64decode(signature, validate=True)
    except binascii.Error:
        return b""


def _findings_of(part: _Part, head: Head) -> tuple[str, datetime, Head] | None:
    findings = part.body.get("findings")
    if findings is None:
        return None
    if not isinstance(findings, dict):
        raise _Stop(Damage.MALFORMED, "findings is not an object")
    digest, until = findings.get("hash"), findings.get("until")
    try:
        last_day = datetime.fromisoformat(str(until))
    except ValueError:
        last_day = None
    if not isinstance(digest, str) or last_day is None or last_day.tzinfo is None:
        raise _Stop(Damage.MALFORMED, "findings do not say their hash, or until when they stay")
    return digest, last_day, head


def _read(line: bytes) -> _Part:
    match = _LINE.fullmatch(line.removesuffix(b"\n"))
    if match is None or (match[4] is not None and match[2] != b"checkpoint"):
        raise _Stop(Damage.MALFORMED, "the line is not of the form")
    digest, name, raw = match[1].decode(), match[2].decode(), match[3]
    is_changed = hashlib.sha256(raw).hexdigest() != digest
    try:
        body = json.loads(raw.decode(), object_pairs_hook=_without_twins)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        if is_changed:
            raise _Stop(Damage.CHANGED, "the line was changed")
        raise _Stop(Damage.MALFORMED, "what the hash is of is no JSON object")
    if is_changed:
        writer, seq = body.get("writer"), body.get("seq")
        raise _Stop(
            Damage.CHANGED,
            "its bytes do not have the hash beside them",
            writer if isinstance(writer, str) else "",
            seq if isinstance(seq, int) else 0,
        )
    if name != "findings" and body.get("v") != VERSION:
        raise _Stop(Damage.MALFORMED, f"v is not {VERSION}: use a newer verifier")
    return _Part(name, digest, body, raw, (match[4] or b"").strip(b'"'))


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    body = dict(pairs)
    if len(body) != len(pairs):
        raise ValueError("a key stands twice")
    return body
