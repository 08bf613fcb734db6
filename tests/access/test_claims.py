"""Signed claims: what counts, and that nothing else does."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jwt.algorithms import OKPAlgorithm

from app.access.admission import Admission
from app.access.claims import ALGORITHMS, subject_of
from app.access.key_set import read_keys
from app.domain.errors import AccessError, AccessProblem
from app.domain.protocols import Caller, Claim
from tests.access.claiming import (
    EC,
    ED,
    EXPECTED,
    KEYS,
    NOW,
    RSA,
    FixedClock,
    claims,
    jwk,
    key_set,
    reader,
    token,
)

Json = Any
S = int(NOW.timestamp())


def segment(value: Json) -> str:
    """A part of a token that nobody signed."""
    return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()


def public(key: Any) -> bytes:  # noqa: ANN401  # of any kind
    """A public key as text, which some libraries would take for a shared secret."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    made: bytes = key.public_key().public_bytes(serialization.Encoding.PEM, form)
    return made


def hmac_with(secret: bytes) -> str:
    """A token whose shared secret is something that everybody knows."""
    head = f"{segment({'alg': 'HS256', 'typ': 'JWT', 'kid': 'RS256'})}.{segment(claims())}"
    signature = hmac.digest(secret, head.encode(), hashlib.sha256)
    return f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("aud", ["banneton", ["other", "banneton"]])
async def test_what_the_provider_signed_counts(algorithm: str, aud: Json) -> None:
    """Nobody could be served by what their provider says."""
    signed = token(claims(aud=aud), algorithm=algorithm)
    assert await reader(FixedClock()).read(signed) == Claim("public")
    expected = replace(EXPECTED, audience="tier", subject="sub", tenant="org")
    signed = token(claims(tier="minor", org="acme"), algorithm=algorithm)
    assert await reader(FixedClock(), expected=expected).read(signed) == Claim(
        "minor", "user-1", "acme"
    )


async def test_a_token_need_not_name_an_audience() -> None:
    """A provider that only names subjects could not be used."""
    assert await reader(FixedClock()).read(token(claims(banneton_audience=None))) == Claim(None)


REFUSED: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "words": lambda: "please let me in",
    "no signature": lambda: f"{segment({'alg': 'EdDSA', 'kid': 'EdDSA'})}.{segment(claims())}.",
    "alg none": lambda: f"{segment({'alg': 'none', 'kid': 'EdDSA'})}.{segment(claims())}.",
    "alg None": lambda: f"{segment({'alg': 'None', 'kid': 'EdDSA'})}.{segment(claims())}.",
    "no alg": lambda: f"{segment({'kid': 'EdDSA'})}.{segment(claims())}.",
    "alg that is a list": lambda: f"{segment({'alg': ['EdDSA'], 'kid': 'EdDSA'})}.e30.e30",
    "shared secret that is the public key": lambda: hmac_with(public(RSA)),
    "shared secret that is empty": lambda: hmac_with(b""),
    "another family of algorithm": lambda: jwt.encode(claims(), RSA, "PS256", {"kid": "RS256"}),
    "another strength": lambda: jwt.encode(
        claims(), ec.generate_private_key(ec.SECP384R1()), "ES384", {"kid": "ES256"}
    ),
    "another key of the same id": lambda: token(key=ed25519.Ed25519PrivateKey.generate()),
    "the id of a key of another kind": lambda: token(kid="ES256"),
    "an id that nobody has": lambda: token(kid="nobody"),
    "no id": lambda: jwt.encode(claims(), ED, "EdDSA"),
    "an id that is no text": lambda: f"{segment({'alg': 'EdDSA', 'kid': 7})}.{segment(claims())}.x",
    "another issuer": lambda: token(claims(iss="https://id.example.com")),
    "no issuer": lambda: token(claims(iss=None)),
    "for somebody else": lambda: token(claims(aud="another gateway")),
    "for nobody": lambda: token(claims(aud=None)),
    "for almost us": lambda: token(claims(aud="banneton2")),
    "has expired": lambda: token(claims(exp=S - 31)),
    "never expires": lambda: token(claims(exp=None)),
    "expires in words": lambda: token(claims(exp="tomorrow")),
    "expires at true": lambda: token(claims(exp=True)),
    "not yet": lambda: token(claims(nbf=S + 31)),
    "issued in the future": lambda: token(claims(iat=S + 31)),
    "an audience that is no text": lambda: token(claims(banneton_audience=["public"])),
    "an audience that is empty": lambda: token(claims(banneton_audience="")),
    "too long": lambda: token(claims(more="x" * 9000)),
    "not ASCII": lambda: token() + "é",
    "two tokens": lambda: f"{token()},{token()}",
    "a critical extension that nobody knows": lambda: token(crit=["exp2"], exp2=1),
    "a payload that is a list": lambda: jwt.PyJWS().encode(b"[]", ED, "EdDSA", {"kid": "EdDSA"}),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_does_not_count_is_refused(name: str) -> None:
    """Somebody could write their own audience."""
    with pytest.raises(AccessError) as caught:
        await reader(FixedClock()).read(REFUSED[name]())
    assert caught.value.problem is AccessProblem.CLAIM


async def test_the_provider_may_be_a_little_off() -> None:
    """A clock that is some seconds off would lock everybody out."""
    for said in (claims(exp=S - 29), claims(nbf=S + 29), claims(iat=S + 29)):
        assert await reader(FixedClock()).read(token(said)) == Claim("public")


@pytest.mark.parametrize("needed", ["sub", "org"])
async def test_what_is_read_must_be_there(needed: str) -> None:
    """A token without a subject or tenant would count for any."""
    expected = replace(EXPECTED, subject="sub", tenant="org")
    with pytest.raises(AccessError) as caught:
        await reader(FixedClock(), expected=expected).read(
            token({**claims(org="acme"), needed: None})
        )
    assert caught.value.problem is AccessProblem.CLAIM


@settings(deadline=None, max_examples=150)
@given(
    st.text(max_size=60) | st.lists(st.text("aGVsbG8_-=.", max_size=12), max_size=5).map(".".join)
)
@example("..")
@example("e30.e30.e30")
@example("W10.e30.e30")
def test_any_text_is_refused_in_our_words(text: str) -> None:
    """A header could crash the gateway, or be told back."""
    with pytest.raises(AccessError) as caught:
        asyncio.run(reader(FixedClock()).read(text))
    assert caught.value.problem is AccessProblem.CLAIM
    assert len(text) < 8 or text not in str(caught.value)


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(ALGORITHMS), st.integers(0, 2**16), st.sampled_from("AQgw09_-"))
def test_no_character_of_a_token_can_change(algorithm: str, at: int, to: str) -> None:
    """A token could be altered and still count."""
    signed = token(claims(), algorithm=algorithm)
    at %= len(signed)
    altered = signed[:at] + to + signed[at + 1 :]
    if altered == signed:
        return
    with pytest.raises(AccessError) as caught:
        asyncio.run(reader(FixedClock()).read(altered))
    assert caught.value.problem is AccessProblem.CLAIM


CALLER = Caller("acme", "k", None, None)


class Keyed:
    """Lets everybody in as the caller above."""

    async def authenticate(self, header: str | None) -> Caller:
        """The caller."""
        assert header == "Bearer x"
        return CALLER


def admission(*, expected: Any = EXPECTED, takes: bool = True) -> Admission:  # noqa: ANN401  # as above
    """Lets in by any key, and reads claims where it takes them."""
    return Admission(Keyed(), reader(FixedClock(), expected=expected) if takes else None)  # type: ignore[arg-type]  # a fake


async def test_a_claim_stands_beside_the_key() -> None:
    """A claim would be lost, or let somebody in without a key."""
    assert await admission().admit("Bearer x", None) == CALLER
    admitted = await admission().admit("Bearer x", token())
    assert admitted == replace(CALLER, claim=Claim("public"))


async def test_a_claim_that_nobody_reads_is_refused() -> None:
    """A caller would believe that their claim protects somebody."""
    with pytest.raises(AccessError) as caught:
        await admission(takes=False).admit("Bearer x", token())
    assert caught.value.problem is AccessProblem.CLAIM


async def test_a_claim_of_another_tenant_is_refused() -> None:
    """A subject of one tenant would be served under the key of another."""
    expected = replace(EXPECTED, tenant="org")
    with pytest.raises(AccessError) as caught:
        await admission(expected=expected).admit("Bearer x", token(claims(org="other")))
    assert caught.value.problem is AccessProblem.FORBIDDEN
    assert (await admission(expected=expected).admit("Bearer x", token(claims(org="acme")))).claim


@pytest.mark.parametrize(
    ("is_required", "has_claim", "passes"),
    [(True, False, False), (True, True, True), (False, False, True), (False, True, True)],
)
def test_a_claim_can_be_required(*, is_required: bool, has_claim: bool, passes: bool) -> None:
    """An app that leaves the claim out would be served by its key alone."""
    asked = replace(CALLER, claim=Claim("public") if has_claim else None)
    made = admission(expected=replace(EXPECTED, is_required=is_required))
    if passes:
        made.require_claim(asked)
    else:
        with pytest.raises(AccessError):
            made.require_claim(asked)
    admission(takes=False).require_claim(CALLER)


@pytest.mark.parametrize(
    ("signed", "named", "subject"),
    [(None, None, None), (None, "a", "a"), ("a", None, "a"), ("a", "a", "a")],
)
def test_the_subject_is_the_signed_one(
    signed: str | None, named: str | None, subject: str | None
) -> None:
    """Consent and erasure would be about somebody whom the client made up."""
    asked = replace(CALLER, claim=Claim("public", signed))
    assert subject_of(asked, named) == subject
    assert subject_of(CALLER, named) == named
    if signed is not None:
        with pytest.raises(AccessError):
            subject_of(asked, "somebody else")


SHORT = rsa.generate_private_key(65537, 1024)  # noqa: S505  # what must not count


@pytest.mark.parametrize(
    "key",
    [
        jwk(ED, "k", use="enc"),
        jwk(RSA, "k", alg="RS512"),
        jwk(SHORT, "k"),
        {"kty": "oct", "kid": "k", "k": "c2VjcmV0", "alg": "HS256"},
        {**OKPAlgorithm.to_jwk(ED, as_dict=True), "kid": "k"},
        {**jwk(EC, "k"), "crv": "P-521"},
        {**jwk(ED, "k"), "x": "not a point"},
        {name: value for name, value in jwk(ED, "k").items() if name != "kid"},
        "no key",
        None,
    ],
)
def test_keys_that_must_not_sign_are_left_out(key: Json) -> None:
    """A key for encryption, a short or a secret one would sign claims."""
    assert read_keys(key_set(key)) == {}
    assert set(read_keys(key_set(key, jwk(ED, "good")))) == {("good", "EdDSA")}


def test_every_algorithm_has_its_key() -> None:
    """An algorithm would be allowed that no test signs with."""
    assert set(KEYS) == set(ALGORITHMS)
    assert set(read_keys(key_set())) == {(name, name) for name in ALGORITHMS}
