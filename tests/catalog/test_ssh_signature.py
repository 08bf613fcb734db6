"""Signatures made by ``ssh-keygen -Y sign``: what counts, and that nothing else does."""

import base64
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalog.ssh_signature import PublicKey, SignatureError, public_key, verify

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
KEY = public_key(PUBLIC)
NAMESPACE = "banneton-waiver"


RECORDED = Path(__file__).parent.parent / "recordings" / "ssh"
"""Keys, and signatures of the text by them: ``ssh-keygen -Y sign -n banneton-waiver``."""


def key_of(own: Ed25519PrivateKey) -> PublicKey:
    """Its public half, as files write it."""
    line = own.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return public_key(line.decode())


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
        verify(signed(own, TEXT, name=name), TEXT, key=key_of(own), namespace=NAMESPACE)


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
        verify(signed(own, TEXT, after=b"x"), TEXT, key=key_of(own), namespace=NAMESPACE)


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


@pytest.mark.parametrize(
    "line", ["", "ssh-ed25519", "ssh-ed25519 AAAA", "no key", "é", f"ssh-rsa {PUBLIC.split()[1]}"]
)
def test_what_is_no_key_is_refused(line: str) -> None:
    """A key that nothing can verify with would be listed, and no signature count."""
    with pytest.raises(SignatureError, match="is no public key"):
        public_key(line)


def test_a_short_rsa_key_is_refused() -> None:
    """Whoever factors it approves in the name of somebody else."""
    with pytest.raises(SignatureError, match="less than 2048 bits"):
        public_key((RECORDED / "rsa1024.pub").read_text())


def recorded(name: str) -> tuple[PublicKey, str]:
    """A key of another kind, and a signature of it."""
    return public_key((RECORDED / f"{name}.pub").read_text()), (
        RECORDED / f"{name}.sig"
    ).read_text()


@pytest.mark.parametrize("name", ["ecdsa256", "ecdsa384", "ecdsa521", "rsa3072"])
def test_keys_of_other_kinds_count(name: str) -> None:
    """Approvers whose SSH key is another one than Ed25519 could not approve."""
    key, signature = recorded(name)
    verify(signature, TEXT, key=key, namespace=NAMESPACE)
    for text, namespace, whose in (
        (b"another text", NAMESPACE, key),
        (TEXT, "git", key),
        (TEXT, NAMESPACE, KEY),
    ):
        with pytest.raises(SignatureError):
            verify(signature, text, key=whose, namespace=namespace)


def test_rsa_with_sha1_does_not_count() -> None:
    """A signature could be moved to another text that hashes alike."""
    key, signature = recorded("rsa3072")
    whole = base64.b64decode("".join(signature.split("\n")[1:-2]))
    sha1 = whole.replace(string(b"rsa-sha2-512"), string(b"ssh-rsa"))
    # The lengths around it, of the part that names the kind.
    at = sha1.index(string(b"ssh-rsa"), len(key.blob)) - 4
    length = int.from_bytes(sha1[at : at + 4], "big") - len(b"rsa-sha2-512") + len(b"ssh-rsa")
    blob = sha1[:at] + length.to_bytes(4, "big") + sha1[at + 4 :]
    with pytest.raises(SignatureError, match="is not of a kind that counts"):
        verify(armored(blob), TEXT, key=key, namespace=NAMESPACE)


def armored(blob: bytes) -> str:
    """As it stands in a file."""
    text = base64.b64encode(blob).decode()
    return f"-----BEGIN SSH SIGNATURE-----\n{text}\n-----END SSH SIGNATURE-----\n"


TOKENS = ("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com")


def token_signed(kind: str, *, flags: int = 1, after: bytes = b"") -> tuple[str, str]:
    """The line of a hardware token's key and its signature, written from the protocol alone."""
    signed = b"SSHSIG" + b"".join(
        map(string, (NAMESPACE.encode(), b"", b"sha512", hashlib.sha512(TEXT).digest()))
    )
    behind = bytes([flags]) + (7).to_bytes(4, "big")
    said = hashlib.sha256(b"ssh:").digest() + behind + hashlib.sha256(signed).digest()
    if kind.startswith("sk-ssh"):
        own = Ed25519PrivateKey.generate()
        blob = string(kind.encode()) + string(own.public_key().public_bytes_raw())
        signature = own.sign(said)
    else:
        curve = generate_private_key(SECP256R1())
        point = curve.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        blob = string(kind.encode()) + string(b"nistp256") + string(point)
        numbers = decode_dss_signature(curve.sign(said, ECDSA(SHA256())))
        signature = b"".join(
            string((b"\0" if raw[0] & 0x80 else b"") + raw)
            for raw in (n.to_bytes(32, "big").lstrip(b"\0") for n in numbers)
        )
    blob += string(b"ssh:")
    whole = b"SSHSIG\0\0\0\1" + b"".join(map(string, (blob, NAMESPACE.encode(), b"", b"sha512")))
    whole += string(string(kind.encode()) + string(signature) + behind + after)
    return f"{kind} {base64.b64encode(blob).decode()} ann", armored(whole)


@pytest.mark.parametrize("kind", TOKENS)
def test_hardware_tokens_count_where_they_were_touched(kind: str, tmp_path: Path) -> None:
    """Approvers with a token could not approve, or malware beside an idle token could."""
    line, signature = token_signed(kind)
    verify(signature, TEXT, key=public_key(line), namespace=NAMESPACE)
    with pytest.raises(SignatureError, match="another text"):
        verify(signature, b"another text", key=public_key(line), namespace=NAMESPACE)
    untouched, idle = token_signed(kind, flags=0)
    with pytest.raises(SignatureError, match="nobody touched"):
        verify(idle, TEXT, key=public_key(untouched), namespace=NAMESPACE)
    longer, more = token_signed(kind, after=b"x")
    with pytest.raises(SignatureError, match="too long"):
        verify(more, TEXT, key=public_key(longer), namespace=NAMESPACE)
    if (program := shutil.which("ssh-keygen")) is None:
        pytest.skip("without OpenSSH nobody else can say that the signature is one")
    (tmp_path / "signers").write_text(f"ann {line}\n")
    (tmp_path / "signature").write_text(signature)
    arguments = ["-Y", "verify", "-f", "signers", "-I", "ann", "-n", NAMESPACE, "-s", "signature"]
    subprocess.run(  # noqa: S603  # OpenSSH's own verifier
        [program, *arguments], input=TEXT, cwd=tmp_path, check=True, capture_output=True, timeout=30
    )
