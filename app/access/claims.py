"""Signed claims: what an identity provider says about whom a request is for. See decision 0128."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import jwt

from app.access.key_set import KeySet
from app.domain.clock import Clock
from app.domain.errors import AccessError, AccessProblem
from app.domain.protocols import Caller, Claim

HEADER = "x-banneton-claims"
ALGORITHMS = ("EdDSA", "ES256", "RS256")
"""Those with public keys, which nobody can mistake for one another or for a shared secret."""
_MAX_CHARS = 8192
_LEEWAY_S = 30
"""How far the provider's clock may be from ours."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a claim must say, and which of its parts are read."""

    issuer: str
    recipient: str
    """The token's ``aud``: for whom it was made."""
    audience: str
    """The claim that names the audience; a token without it says nothing about that."""
    subject: str | None = None
    """The claim that names the subject; none leaves that to the request."""
    tenant: str | None = None
    """The claim that must name the key's tenant; none compares nothing."""
    is_required: bool = False
    """Whether a request for an answer or a check must carry a claim."""


class ClaimReader:
    """Tells what a token says, or that it says nothing that counts."""

    def __init__(self, expected: Expected, keys: KeySet, clock: Clock) -> None:
        """Believe tokens that these keys have signed."""
        self.expected = expected
        self._keys = keys
        self._clock = clock

    async def read(self, token: str) -> Claim:
        """What a token says.

        Raises:
            AccessError: It is not one that counts, or its key cannot be had.
        """
        payload = await self._verified(token)
        self._check_times(payload)
        expected = self.expected
        return Claim(
            audience=_text(payload, expected.audience),
            subject=None if expected.subject is None else _needed(payload, expected.subject),
            tenant=None if expected.tenant is None else _needed(payload, expected.tenant),
        )

    async def _verified(self, token: str) -> Mapping[str, Any]:
        if len(token) > _MAX_CHARS or not token.isascii():
            _refuse("is no token")
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, RecursionError):
            _refuse("is no token")
        kid, algorithm = header.get("kid"), header.get("alg")
        if algorithm not in ALGORITHMS:
            _refuse("is not signed in a way that counts")
        if not isinstance(kid, str):
            _refuse("does not name its key")
        key = await self._keys.find(kid, algorithm)
        try:
            payload: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                issuer=self.expected.issuer,
                audience=self.expected.recipient,
                options={
                    "require": ["exp", "iss", "aud"],
                    # Compared below with the clock that was passed in.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (jwt.InvalidIssuerError, jwt.InvalidAudienceError):
            _refuse("is not by the expected issuer, or not for this gateway")
        except (jwt.PyJWTError, RecursionError):
            _refuse("is not as its issuer signed it")
        return payload

    def _check_times(self, payload: Mapping[str, Any]) -> None:
        now_s = self._clock.now().timestamp()
        times = {name: payload.get(name) for name in ("exp", "nbf", "iat")}
        for time in times.values():
            if time is not None and (isinstance(time, bool) or not isinstance(time, int | float)):
                _refuse("holds a time that is none")
        if not now_s < (times["exp"] or 0) + _LEEWAY_S:
            _refuse("has expired")
        if any(not (times[name] or 0) <= now_s + _LEEWAY_S for name in ("nbf", "iat")):
            _refuse("does not hold yet")


def subject_of(caller: Caller, named: str | None) -> str | None:
    """The subject that the claim names, or else the request.

    Raises:
        AccessError: The request names another one than the claim.
    """
    signed = caller.claim.subject if caller.claim is not None else None
    if signed is None:
        return named
    if named not in {None, signed}:
        what = "The request names another end user than its claim; leave the name out."
        raise AccessError(AccessProblem.FORBIDDEN, what)
    return signed


def _text(payload: Mapping[str, Any], name: str) -> str | None:
    value = payload.get(name)
    if value is not None and not (isinstance(value, str) and value):
        _refuse(f"has a '{name}' that is no text")
    return value


def _needed(payload: Mapping[str, Any], name: str) -> str:
    value = _text(payload, name)
    if value is None:
        _refuse(f"has no '{name}'")
    return value


def _refuse(why: str) -> NoReturn:
    raise AccessError(AccessProblem.CLAIM, f"The claim in '{HEADER}' {why}; send a new one.")
