"""Pictures and files of a request: what policy lets in, and what the record says of them.

Nobody looks inside, so the bounds of policy are all there is, and what they do not name is refused.
The gateway fetches nothing (``docs/decisions/0180-media-in-requests.md``).
"""

import binascii
from collections import Counter
from collections.abc import Sequence
from typing import NoReturn

from app.domain.conversation import Conversation, FilePart, ImagePart, Inline, Linked
from app.domain.errors import FieldRefusedError
from app.domain.links import host_of_link, is_covered
from app.domain.media_types import SIGNATURES
from app.domain.policy import MediaBounds, MediaKind, Policy
from app.domain.record import MediaSeen
from app.domain.wanted import Pictures, Wanted

_Part = ImagePart | FilePart
_MEDIA = (ImagePart, FilePart)
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_QUANTUM = 4
_HEAD_CHARS = 64
"""Of base64: more bytes than any signature has."""


def check_media(conversation: Conversation, policy: Policy, audience: str) -> None:
    """Refuse what policy does not let in, before anything is looked at or sent.

    Raises:
        FieldRefusedError: There is such; names the field, the policy's key and the remedy, and
            quotes nothing of it.
    """
    _check_wanted(conversation.wanted, policy, audience)
    parts = _media(conversation)
    if not parts:
        return
    for kind in MediaKind:
        if mine := [part for part in parts if _kind(part) is kind]:
            _check_kind(kind, mine, policy, audience)


def _check_wanted(wanted: Wanted, policy: Policy, audience: str) -> None:
    where = wanted.images_path
    if where is None:
        return
    key = f"media.{MediaKind.ANSWER_IMAGES}"
    if policy.media.answer_images is None:
        raise FieldRefusedError(where, f"this persona's policy lets out no images ({key})")
    bounds = policy.answer_images(audience)
    if bounds is None:
        what = f"this persona's policy lets out no images for this audience ({key})"
        raise FieldRefusedError(where, what)
    if isinstance(wanted, Pictures) and wanted.count > bounds.max_count:
        what = f"this persona's policy lets out at most {bounds.max_count} ({key}.max_count)"
        raise FieldRefusedError("n", what)


def refuse_moved(before: Conversation, after: Conversation) -> None:
    """Refuse an address that policy rewrote: it would lead somewhere that nobody has named.

    Raises:
        FieldRefusedError: There is one.
    """
    if before is after:
        return
    for was, now in zip(_media(before), _media(after), strict=True):
        if was.source != now.source:
            what = "a rule of this persona's policy rewrites this address; send the bytes instead"
            raise FieldRefusedError(was.path, what)


def seen_of(conversation: Conversation) -> tuple[MediaSeen, ...]:
    """What there is of pictures and files, for the record."""
    parts = _media(conversation)
    if not parts:
        return ()
    counts: Counter[tuple[MediaKind, str | None]] = Counter()
    sizes: Counter[tuple[MediaKind, str | None]] = Counter()
    for part in parts:
        source = part.source
        key = (_kind(part), source.media_type if isinstance(source, Inline) else None)
        counts[key] += 1
        sizes[key] += _size(source.data) if isinstance(source, Inline) else 0
    return tuple(
        MediaSeen(kind, type_, count, sizes[kind, type_]) for (kind, type_), count in counts.items()
    )


def _media(conversation: Conversation) -> list[_Part]:
    return [
        part
        for message in conversation.messages
        for part in message.parts
        if isinstance(part, _MEDIA)
    ]


def _kind(part: _Part) -> MediaKind:
    return MediaKind.IMAGES if isinstance(part, ImagePart) else MediaKind.FILES


def _check_kind(kind: MediaKind, parts: Sequence[_Part], policy: Policy, audience: str) -> None:
    bounds = policy.media.of(kind)
    if bounds is None:
        what = f"this persona's policy lets in no {kind} (media.{kind}); say it in text"
        raise FieldRefusedError(parts[0].path, what)
    if not policy.takes_media(kind, audience):
        key = f"media.{kind}.strictest_audience"
        what = f"this persona's policy lets in no {kind} for this audience ({key}); say it in text"
        raise FieldRefusedError(parts[0].path, what)
    if len(parts) > bounds.max_count:
        what = f"more than {bounds.max_count} {kind}, those of earlier turns included"
        _refuse(parts[bounds.max_count], kind, "max_count", f"{what}; leave some out")
    for part in parts:
        if isinstance(part.source, Inline):
            _check_bytes(part, part.source, kind, bounds)
        else:
            _check_link(part, part.source, kind, bounds)


def _check_bytes(part: _Part, source: Inline, kind: MediaKind, bounds: MediaBounds) -> None:
    if source.media_type not in bounds.types:
        listed = ", ".join(sorted(bounds.types))
        _refuse(part, kind, "types", f"may be of these types alone: {listed}")
    if _size(source.data) > bounds.max_bytes:
        what = f"more than {bounds.max_bytes} bytes; send a smaller one"
        _refuse(part, kind, "max_bytes", what)
    if not _is_base64(source.data):
        what = "must be base64 with its padding, without line breaks"
        raise FieldRefusedError(part.path, what, code="invalid_value")
    head = binascii.a2b_base64(source.data[:_HEAD_CHARS])
    if SIGNATURES[source.media_type].match(head) is None:
        _refuse(part, kind, "types", "its first bytes are of another type than it is said to be of")


def _check_link(part: _Part, source: Linked, kind: MediaKind, bounds: MediaBounds) -> None:
    try:
        host = host_of_link(source.url)
    except ValueError as exc:
        raise FieldRefusedError(part.path, str(exc), code="invalid_value") from None
    if not any(is_covered(host, pattern) for pattern in bounds.hosts):
        what = f"this persona's policy names no such host to fetch {kind} from"
        _refuse(part, kind, "hosts", f"{what}; send the bytes instead")


def _refuse(part: _Part, kind: MediaKind, key: str, what: str) -> NoReturn:
    raise FieldRefusedError(part.path, f"{what} (media.{kind}.{key} of this persona's policy)")


def _size(data: str) -> int:
    """How many bytes base64 stands for, by its length."""
    return len(data) // _QUANTUM * 3 - data.count("=", -2)


def _is_base64(data: str) -> bool:
    """Whether it is base64 in the one way to write those bytes (RFC 4648, section 3.5)."""
    if not data or len(data) % _QUANTUM or not data.isascii():
        return False
    rest, last = data[:-_QUANTUM].encode("ascii"), data[-_QUANTUM:]
    if rest.translate(None, _ALPHABET):
        return False
    try:
        made = binascii.a2b_base64(last, strict_mode=True)
    except binascii.Error:
        return False
    return binascii.b2a_base64(made, newline=False).decode() == last
