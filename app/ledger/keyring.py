"""The master key and what is derived from it. See decision 0071."""

import base64
import binascii
import hmac
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from app.domain.conversation import Message
from app.domain.errors import LedgerError
from app.domain.turns import read_turns, turns_json
from app.ledger.verify import IsSigned

_KEY_BYTES = 32
_NONCE_BYTES = 12
_LOOKUP_BYTES = 16
_MOST_TENANTS = 1000
"""How many tenants' keys are remembered; they cost as much to make as one lookup."""


def _derive(key: bytes, purpose: str, *names: str) -> bytes:
    parts = [purpose.encode()]
    for name in names:
        # A lone surrogate is a name like any other here; lengths keep ("a", "bc") from ("ab", "c").
        encoded = name.encode("utf-8", "surrogatepass")
        parts += [len(encoded).to_bytes(8), encoded]
    return hmac.digest(key, b"".join(parts), "sha256")


def seal(key: bytes, plain: bytes, context: bytes) -> bytes:
    """Encrypt and authenticate (AES-256-GCM), bound to a context that is not stored with it."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, context)


def unseal(key: bytes, sealed: bytes, context: bytes) -> bytes:
    """What ``seal`` was given.

    Raises:
        LedgerError: It was changed, or sealed with another key or context.
    """
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)
    except (InvalidTag, ValueError) as exc:
        raise LedgerError(
            "A sealed value of the ledger cannot be opened: it was changed, or its key file is"
            " another one."
        ) from exc


@dataclass(frozen=True, slots=True, repr=False)
class Kept:
    """What is kept of the text of one side of an exchange."""

    texts: tuple[tuple[str, str], ...]
    """Path and text."""
    turns: tuple[Message, ...] = ()
    is_left_open: bool = False
    surrogates: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False)
class Owner:
    """Whose data it is: a subject, or all of a tenant that names no subject.

    Everything that an entry keeps of a person is made with ``key``. Without it, nothing of that
    can be told apart from random bytes, nor be tried against guesses.
    """

    lookup: bytes
    """Where the key is found. Computed from the name; goes when the key goes."""
    key: bytes

    def reference(self, kind: str, name: str) -> str:
        """What stands in an entry for the name of a subject or session."""
        return _derive(self.key, kind, name)[:_LOOKUP_BYTES].hex()

    def digest(self, text: str) -> str:
        """What stands in an entry for a text: a hash that only the owner's key can make."""
        return hmac.digest(
            self.key, b"content\0" + text.encode("utf-8", "surrogatepass"), "sha256"
        ).hex()

    def fingerprint(self, said: bytes) -> bytes:
        """Tells whether the same is said again; only with the owner's key can it be made."""
        return hmac.digest(self.key, b"said\0" + said, "sha256")

    def seal_content(self, kept: Kept, request_id: str) -> bytes:
        """Encrypt what is kept of an exchange's text, and of whose turn it was."""
        told = {
            "texts": kept.texts,
            "turns": turns_json(kept.turns),
            "is_left_open": kept.is_left_open,
            "surrogates": dict(kept.surrogates),
        }
        return seal(_derive(self.key, "kept"), orjson.dumps(told), request_id.encode())

    def unseal_content(self, sealed: bytes, request_id: str) -> Kept:
        """What ``seal_content`` was given."""
        told = orjson.loads(unseal(_derive(self.key, "kept"), sealed, request_id.encode()))
        if isinstance(told, list):  # older: texts alone
            told = {"texts": told, "turns": []}
        return Kept(
            tuple((path, text) for path, text in told["texts"]),
            read_turns(told["turns"]),
            # Older ones had turns only where others may go on from them.
            told.get("is_left_open", True),
            told.get("surrogates", {}),
        )


class Keyring:
    """The master key. Never leaves this object, also not in a repr or an error."""

    __slots__ = (
        "_lookups",
        "_master",
        "_signing",
        "_wrapping",
        "console_key",
        "proof",
        "pseudonym_key",
    )

    def __init__(self, master: bytes) -> None:
        self._master = master
        self._wrapping = _derive(master, "wrapping")
        self._signing = Ed25519PrivateKey.from_private_bytes(_derive(master, "signing"))
        self._lookups: dict[str, bytes] = {}
        self.pseudonym_key = _derive(master, "minting")
        """Under which values get their pseudonyms."""
        self.console_key = _derive(master, "console")
        """Under which sessions of the console are sealed."""
        self.proof = _derive(master, "proof")
        """Shows that two keyrings are the same one, and helps nobody to the key."""

    @property
    def public_key(self) -> bytes:
        """What signatures are checked with, as PEM."""
        return self._signing.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, body: bytes) -> str:
        """An Ed25519 signature of a checkpoint's bytes, in base64."""
        return base64.b64encode(self._signing.sign(body)).decode()

    def lookup(self, tenant: str, kind: str, name: str) -> bytes:
        """Where a name is found again, while the row that holds this exists."""
        return _derive(self._lookup_key(tenant), kind, name)[:_LOOKUP_BYTES]

    def owner_lookup(self, tenant: str, subject: str | None) -> bytes:
        """Where an owner's key is found."""
        if subject is None:
            return self.lookup(tenant, "unnamed", "")
        return self.lookup(tenant, "subject", subject)

    def scope(self, tenant: str, key_id: str, session: str) -> bytes:
        """Where the pseudonyms of a scope are found."""
        return _derive(self._lookup_key(tenant), "scope", key_id, session)

    def scope_key(self, scope: bytes) -> bytes:
        """The key for the pseudonyms of one scope."""
        return _derive(self._master, "pseudonyms", scope.hex())

    def _lookup_key(self, tenant: str) -> bytes:
        key = self._lookups.get(tenant)
        if key is None:
            if len(self._lookups) >= _MOST_TENANTS:
                self._lookups.clear()
            key = self._lookups[tenant] = _derive(self._master, "lookup", tenant)
        return key

    def new_owner(self, lookup: bytes) -> tuple[Owner, bytes]:
        """An owner with a fresh random key, and that key wrapped for storage."""
        key = os.urandom(_KEY_BYTES)
        return Owner(lookup, key), seal(self._wrapping, key, lookup)

    def unwrap(self, lookup: bytes, wrapped: bytes) -> Owner:
        """The owner whose key was stored."""
        return Owner(lookup, unseal(self._wrapping, wrapped, lookup))


def signature_checker(pem: bytes) -> IsSigned:
    """Tells whether checkpoints are signed, by a key that ``Keyring.public_key`` gave.

    Raises:
        LedgerError: It is no such key.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise LedgerError("The key is none of a ledger: 'banneton records key' prints it.")
    public = key

    def is_signed(body: bytes, signature: bytes) -> bool:
        try:
            public.verify(signature, body)
        except InvalidSignature:
            return False
        return True

    return is_signed


def read_or_create(path: Path, *, may_create: bool) -> Keyring:
    """The keyring of a key file.

    Args:
        path: The file: one line, 32 random bytes in base64.
        may_create: Make the file (mode 0600) where there is none.

    Raises:
        LedgerError: There is none, others may read it, or it holds something else.
    """
    try:
        if may_create and not path.exists():
            _create(path)
        _refuse_readable_by_others(path)
        text = path.read_bytes()
    except OSError as exc:
        raise LedgerError(
            f"The ledger's key file cannot be read ({exc.strerror}). Restore it: without it the"
            " records of this ledger cannot be found by subject, nor kept content be read."
        ) from exc
    try:
        master = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        master = b""
    if len(master) != _KEY_BYTES:
        raise LedgerError("The ledger's key file must hold 32 bytes in base64, and nothing else.")
    return Keyring(master)


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, base64.b64encode(os.urandom(_KEY_BYTES)) + b"\n")
        os.fsync(handle)
        # A link appears whole or not at all, and loses against another process's link.
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        os.close(handle)
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _refuse_readable_by_others(path: Path) -> None:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise LedgerError(
            "The ledger's key file can be read by others. Take their rights away: chmod 600."
        )
