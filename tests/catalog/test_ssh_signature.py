"""Signatures made by ``ssh-keygen -Y sign``: what counts, and that nothing else does."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalog.ssh_signature import SignatureError, public_key, verify

# Made by OpenSSH: printf 'the text\n' | ssh-keygen -Y sign -n banneton-waiver -f KEY
PUBLIC = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPuHqxQtpSo837qnZO8DC5u5dpxfw2VA28E1lNugtGKA "
    "security@example.org"
)
TEXT = b"the text\n"
SIGNATURE = """-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAg+4erFC2lKjzfuqdk7wMLm7l2nF
/DZUDbwTWU26C0YoAAAAAPYmFubmV0b24td2FpdmVyAAAAAAAAAAZzaGE1MTIAAABTAAAA
C3NzaC1lZDI1NTE5AAAAQJCya3Q473YRFOCoZMbTSkN1eIUeEvfxRk0dDLOOhYglvKbfUD
oVk0JzFshzYzvX69qOOynU9o26KyQbsFuxigY=
-----END SSH SIGNATURE-----
"""
# The same key and text, signed for Git.
FOR_GIT = """-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAg+4erFC2lKjzfuqdk7wMLm7l2nF
/DZUDbwTWU26C0YoAAAAADZ2l0AAAAAAAAAAZzaGE1MTIAAABTAAAAC3NzaC1lZDI1NTE5
AAAAQEvFDZz/7MWwW9f+g8mjA9uzoZPuTbnLbTad//omzl2oTpijC2/T59mlOxsU/epqG9
mMfka/4e7LlTw97Sg+xgk=
-----END SSH SIGNATURE-----
"""
ECDSA = (
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBKG+40F2xASz2qTqMZ1az9"
    "/RZ8pYJjGXlxpYwVCRPkL2EVaVpq6WntzlZLNoubKKcD5hyRHQNsighnztBXFUk/U= ann"
)
KEY = public_key(PUBLIC)
NAMESPACE = "banneton-waiver"


def string(value: bytes) -> bytes:
    """As SSH writes strings."""
    return len(value).to_bytes(4, "big") + value


def signed(
    key: Ed25519PrivateKey,
    message: bytes,
    *,
    namespace: bytes = b"banneton-waiver",
    name: bytes = b"sha512",
    after: bytes = b"",
) -> str:
    """A signature as ``ssh-keygen`` makes it, written from the protocol alone."""
    digest = hashlib.new(name.decode(), message).digest()
    parts = (namespace, b"", name, digest)
    signature = key.sign(b"SSHSIG" + b"".join(map(string, parts)))
    owner = string(b"ssh-ed25519") + string(key.public_key().public_bytes_raw())
    blob = b"SSHSIG\0\0\0\1" + b"".join(map(string, (owner, namespace, b"", name)))
    blob += string(string(b"ssh-ed25519") + string(signature)) + after
    text = base64.b64encode(blob).decode()
    return f"-----BEGIN SSH SIGNATURE-----\n{text}\n-----END SSH SIGNATURE-----\n"


def test_what_openssh_signs_counts() -> None:
    """Approvers could not sign with the tool that they have."""
    verify(SIGNATURE, TEXT, key=KEY, namespace=NAMESPACE)
    verify(f"\n  {SIGNATURE}\n", TEXT, key=KEY, namespace=NAMESPACE)
    verify(FOR_GIT, TEXT, key=KEY, namespace="git")
    own = Ed25519PrivateKey.generate()
    for name in (b"sha256", b"sha512"):
        verify(signed(own, TEXT, name=name), TEXT, key=own.public_key(), namespace=NAMESPACE)


@pytest.mark.parametrize(
    ("signature", "text"),
    [
        (SIGNATURE, b"the text"),
        (SIGNATURE, b"another text\n"),
        (FOR_GIT, TEXT),
        (signed(Ed25519PrivateKey.generate(), TEXT), TEXT),
        (signed(Ed25519PrivateKey.generate(), TEXT, name=b"md5"), TEXT),
        (SIGNATURE.replace("END", "ENDE"), TEXT),
        (SIGNATURE.replace("U1NI", "U1NJ"), TEXT),
        (SIGNATURE.replace("igY=", "igY"), TEXT),
        (SIGNATURE + SIGNATURE, TEXT),
        ("-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----", TEXT),
        ("", TEXT),
        ("please", TEXT),
    ],
)
def test_nothing_else_counts(signature: str, text: bytes) -> None:
    """Somebody could approve in the name of another, or move an approval to another waiver."""
    with pytest.raises(SignatureError):
        verify(signature, text, key=KEY, namespace=NAMESPACE)


def test_nothing_may_follow() -> None:
    """Two texts of one signature would both count."""
    own = Ed25519PrivateKey.generate()
    with pytest.raises(SignatureError, match="too long"):
        verify(signed(own, TEXT, after=b"x"), TEXT, key=own.public_key(), namespace=NAMESPACE)


WHOLE = base64.b64decode("".join(SIGNATURE.split("\n")[1:-2]))


@settings(deadline=None, max_examples=200)
@given(
    st.binary(max_size=80)
    | st.integers(0, len(WHOLE) - 1).map(lambda length: WHOLE[:length])
    | st.integers(0, len(WHOLE) - 1).map(lambda at: WHOLE[:at] + b"\xff" + WHOLE[at + 1 :])
)
def test_any_bytes_are_refused_in_our_words(blob: bytes) -> None:
    """A signature in a file could crash the check."""
    text = base64.b64encode(blob).decode()
    with pytest.raises(SignatureError):
        verify(
            f"-----BEGIN SSH SIGNATURE-----\n{text}\n-----END SSH SIGNATURE-----",
            TEXT,
            key=KEY,
            namespace=NAMESPACE,
        )


@pytest.mark.parametrize("line", [ECDSA, "", "ssh-ed25519", "ssh-ed25519 AAAA", "no key", "é"])
def test_other_keys_are_refused(line: str) -> None:
    """A key that nothing can verify with would be listed, and no signature count."""
    with pytest.raises(SignatureError):
        public_key(line)
