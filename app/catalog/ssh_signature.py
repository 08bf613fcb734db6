"""Verifies what ``ssh-keygen -Y sign`` makes, with the keys that people have.

Sources: the files ``PROTOCOL.sshsig`` and ``PROTOCOL.u2f`` of OpenSSH; RFC 5656, RFC 8332.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

_MAGIC = b"SSHSIG"
_VERSION = 1
_KINDS: dict[str, dict[str, hashes.HashAlgorithm | None]] = {
    "ssh-ed25519": {"ssh-ed25519": None},
    "sk-ssh-ed25519@openssh.com": {"sk-ssh-ed25519@openssh.com": None},
    "ecdsa-sha2-nistp256": {"ecdsa-sha2-nistp256": hashes.SHA256()},
    "ecdsa-sha2-nistp384": {"ecdsa-sha2-nistp384": hashes.SHA384()},
    "ecdsa-sha2-nistp521": {"ecdsa-sha2-nistp521": hashes.SHA512()},
    "sk-ecdsa-sha2-nistp256@openssh.com": {"sk-ecdsa-sha2-nistp256@openssh.com": hashes.SHA256()},
    "ssh-rsa": {"rsa-sha2-256": hashes.SHA256(), "rsa-sha2-512": hashes.SHA512()},
}
"""By kind of key, the kinds of signatures that it makes, with what they hash the text with; none
where the kind says it. A signature of RSA with SHA-1 (``ssh-rsa``) is not among them."""
_LEAST_RSA_BITS = 2048
_TOKEN = "sk-"  # noqa: S105  # no password
"""Begins the kinds of keys that live in a hardware token."""
_TOUCHED = 0x01
"""Of a hardware token's flags: somebody was there."""
_HASHES = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
_ARMOR = re.compile(
    r"\s*-----BEGIN SSH SIGNATURE-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END SSH SIGNATURE-----\s*"
)


class SignatureError(ValueError):
    """A key or signature does not count. Says why in words of ours."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Whose signatures count."""

    kind: str
    blob: bytes
    """As it stands in signatures."""
    key: Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey


def public_key(line: str) -> PublicKey:
    """The key of a line such as ``ssh-ed25519 AAAA… name``.

    Raises:
        SignatureError: It is none, of another kind, or too short.
    """
    try:
        key = load_ssh_public_key(line.encode())
        kind, text, *_ = line.split()
        blob = base64.b64decode(text)
    except (ValueError, UnsupportedAlgorithm):
        what = "is no public key; paste the line of a file such as ~/.ssh/id_ed25519.pub"
        raise SignatureError(what) from None
    if isinstance(key, RSAPublicKey) and key.key_size < _LEAST_RSA_BITS:
        raise SignatureError(
            f"is an RSA key of less than {_LEAST_RSA_BITS} bits; make a longer one, or an ed25519"
        )
    if kind not in _KINDS or isinstance(key, DSAPublicKey):
        raise SignatureError(f"is a key of another kind than: {', '.join(_KINDS)}")
    return PublicKey(kind, blob, key)


def verify(armored: str, message: bytes, *, key: PublicKey, namespace: str) -> None:
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
        raise SignatureError(
            f"was not made for '{namespace}'; sign with: ssh-keygen -Y sign -n {namespace}"
        )
    if parts.owner != key.blob:
        raise SignatureError(
            "is of another key than the approver's; sign with that one, or add this one"
        )
    if parts.kind not in _KINDS[key.kind]:
        raise SignatureError(f"is not of a kind that counts: {', '.join(_KINDS[key.kind])}")
    digest = _HASHES[parts.hash_name](message).digest()
    signed = b"".join(
        [_MAGIC, *map(_string, (parts.namespace, parts.reserved, parts.hash_name, digest))]
    )
    if key.kind.startswith(_TOKEN):
        signed = _as_token_signs(key, parts.after, signed)
    elif parts.after:
        raise SignatureError("is no SSH signature: it is too long; copy it anew")
    try:
        _verify(key, parts, signed)
    except InvalidSignature:
        raise SignatureError(
            "is of another text than what stands here; print it anew with --sign, and sign that"
        ) from None


def _verify(key: PublicKey, parts: "_Parts", signed: bytes) -> None:
    algorithm = _KINDS[key.kind][parts.kind]
    match key.key, algorithm:
        case RSAPublicKey() as rsa, hashes.HashAlgorithm():
            rsa.verify(parts.signature, signed, PKCS1v15(), algorithm)
        case EllipticCurvePublicKey() as curve, hashes.HashAlgorithm():
            numbers = _Reader(parts.signature)
            r, s = (int.from_bytes(numbers.string(), "big") for _ in range(2))
            if numbers.rest:
                raise SignatureError("is no SSH signature: it is too long; copy it anew")
            curve.verify(encode_dss_signature(r, s), signed, ECDSA(algorithm))
        case Ed25519PublicKey() as ed25519, None:
            ed25519.verify(parts.signature, signed)
        case _:
            raise InvalidSignature


def _as_token_signs(key: PublicKey, after: bytes, signed: bytes) -> bytes:
    """What a hardware token signs of a text: with what it is for, and whether it was touched."""
    rest = _Reader(after)
    flags, counter = rest.take(1), rest.take(4)
    if rest.rest:
        raise SignatureError("is no SSH signature: it is too long; copy it anew")
    if not flags[0] & _TOUCHED:
        raise SignatureError(
            "was made by a hardware token that nobody touched; sign again and touch it"
        )
    blob = _Reader(key.blob)
    application = b""
    while blob.rest:  # the last part of such a key
        application = blob.string()
    parts = (hashlib.sha256(application).digest(), flags, counter, hashlib.sha256(signed).digest())
    return b"".join(parts)


@dataclass(frozen=True, slots=True)
class _Parts:
    owner: bytes
    namespace: bytes
    reserved: bytes
    hash_name: bytes
    kind: str
    signature: bytes
    after: bytes
    """What stands behind the signature itself: something for hardware tokens."""

    @classmethod
    def of(cls, armored: str) -> "_Parts":
        found = _ARMOR.fullmatch(armored)
        if found is None:
            raise SignatureError("is no SSH signature; copy it whole, with its BEGIN and END line")
        try:
            blob = base64.b64decode("".join(found[1].split()), validate=True)
        except binascii.Error:
            raise SignatureError("is no SSH signature: its text is damaged; copy it anew") from None
        read = _Reader(blob)
        if read.take(len(_MAGIC)) != _MAGIC or read.number() != _VERSION:
            raise SignatureError("is no SSH signature of a version that is known")
        owner = read.string()
        namespace, reserved, hash_name = read.string(), read.string(), read.string()
        inner = _Reader(read.string())
        kind, signature = inner.string().decode("ascii", "replace"), inner.string()
        if read.rest:
            raise SignatureError("is no SSH signature: it is too long; copy it anew")
        if hash_name not in _HASHES:
            raise SignatureError("is over a hash that does not count; sha512 and sha256 do")
        return cls(owner, namespace, reserved, hash_name, kind, signature, inner.rest)


class _Reader:
    """Takes parts off the front of some bytes."""

    def __init__(self, rest: bytes) -> None:
        self.rest = rest

    def take(self, count: int) -> bytes:
        if len(self.rest) < count:
            raise SignatureError("is no SSH signature: it is cut short; copy it whole")
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def number(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        return self.take(self.number())


def _string(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value
