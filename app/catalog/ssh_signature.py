"""Verifies what ``ssh-keygen -Y sign`` makes, with the keys that people have.

Source: the file ``PROTOCOL.sshsig`` of OpenSSH.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

_MAGIC = b"SSHSIG"
_VERSION = 1
_KIND = b"ssh-ed25519"
_HASHES = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
_ARMOR = re.compile(
    r"\s*-----BEGIN SSH SIGNATURE-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END SSH SIGNATURE-----\s*"
)


class SignatureError(ValueError):
    """A signature does not count. Says why in words of ours."""


def public_key(line: str) -> Ed25519PublicKey:
    """The key of a line such as ``ssh-ed25519 AAAA… name``.

    Raises:
        SignatureError: It is none, or of another kind.
    """
    try:
        key = load_ssh_public_key(line.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise SignatureError("is no SSH public key") from None
    if not isinstance(key, Ed25519PublicKey):
        raise SignatureError("is no ssh-ed25519 key; other kinds are not taken")
    return key


def verify(armored: str, message: bytes, *, key: Ed25519PublicKey, namespace: str) -> None:
    """Check a detached signature.

    Args:
        armored: As ``ssh-keygen`` writes it, with its first and last line.
        message: What was signed, byte for byte.
        key: Whose signature it must be.
        namespace: What it must have been made for, so that a signature of something else, such
            as of a commit, does not count here.

    Raises:
        SignatureError: It does not count.
    """
    parts = _Parts.of(armored)
    if parts.namespace != namespace.encode():
        raise SignatureError(f"was not made for '{namespace}'")
    digest = _HASHES[parts.hash_name](message).digest()
    signed = b"".join(
        [_MAGIC, *map(_string, (parts.namespace, parts.reserved, parts.hash_name, digest))]
    )
    if parts.owner != _string(_KIND) + _string(key.public_bytes_raw()):
        raise SignatureError("is of another key than the approver's")
    try:
        key.verify(parts.signature, signed)
    except InvalidSignature:
        raise SignatureError("is of another text than this waiver's") from None


@dataclass(frozen=True, slots=True)
class _Parts:
    owner: bytes
    namespace: bytes
    reserved: bytes
    hash_name: bytes
    signature: bytes

    @classmethod
    def of(cls, armored: str) -> "_Parts":
        found = _ARMOR.fullmatch(armored)
        if found is None:
            raise SignatureError("is no SSH signature; copy it whole, with its BEGIN and END line")
        try:
            blob = base64.b64decode("".join(found[1].split()), validate=True)
        except binascii.Error:
            raise SignatureError("is no SSH signature: its text is damaged") from None
        read = _Reader(blob)
        if read.take(len(_MAGIC)) != _MAGIC or read.number() != _VERSION:
            raise SignatureError("is no SSH signature of a version that is known")
        owner = read.string()
        namespace, reserved, hash_name = read.string(), read.string(), read.string()
        inner = _Reader(read.string())
        kind, signature = inner.string(), inner.string()
        if read.rest or inner.rest:
            raise SignatureError("is no SSH signature: it is too long")
        if kind != _KIND or hash_name not in _HASHES:
            raise SignatureError("is not of an ssh-ed25519 key")
        return cls(owner, namespace, reserved, hash_name, signature)


class _Reader:
    """Takes parts off the front of some bytes."""

    def __init__(self, rest: bytes) -> None:
        self.rest = rest

    def take(self, count: int) -> bytes:
        if len(self.rest) < count:
            raise SignatureError("is no SSH signature: it is cut short")
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def number(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        return self.take(self.number())


def _string(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value
