"""An identity provider of the tests' own: keys, key sets and tokens."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from app.access.claims import ClaimReader, Expected
from app.access.key_set import KeySet, KeysUnavailableError

Json = Any
NOW = datetime(2027, 1, 1, 12, tzinfo=UTC)
ISSUER = "https://id.example.org"
ED = ed25519.Ed25519PrivateKey.generate()
EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
KEYS = {"EdDSA": ED, "ES256": EC, "RS256": RSA}
EXPECTED = Expected(ISSUER, "banneton", "banneton_audience")


def jwk(key: Any, kid: str, **more: Json) -> Json:  # noqa: ANN401  # of three kinds
    """The public half of a key, as key sets have it."""
    public = key.public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        made = OKPAlgorithm.to_jwk(public, as_dict=True)
    elif isinstance(public, ec.EllipticCurvePublicKey):
        made = ECAlgorithm.to_jwk(public, as_dict=True)
    else:
        made = RSAAlgorithm.to_jwk(public, as_dict=True)
    return {**made, "kid": kid, "use": "sig", **more}


def key_set(*keys: Json) -> bytes:
    """A key set; without keys, one with all three, named by their algorithms."""
    return orjson.dumps({"keys": keys or [jwk(key, name) for name, key in KEYS.items()]})


def claims(**more: Json) -> dict[str, Json]:
    """What a good token says; ``None`` leaves something out."""
    made = {
        "iss": ISSUER,
        "aud": "banneton",
        "sub": "user-1",
        "iat": int(NOW.timestamp()),
        "exp": int((NOW + timedelta(minutes=5)).timestamp()),
        "banneton_audience": "public",
        **more,
    }
    return {name: value for name, value in made.items() if value is not None}


def token(
    said: dict[str, Json] | None = None,
    *,
    algorithm: str = "EdDSA",
    key: Any = None,  # noqa: ANN401  # of any kind that the algorithm takes
    **headers: Json,
) -> str:
    """A signed token."""
    key = KEYS[algorithm] if key is None else key
    return jwt.encode(said or claims(), key, algorithm, {"kid": algorithm, **headers})


@dataclass
class FixedClock:
    """Stands still until a test moves it."""

    at: datetime = NOW
    passed_s: float = 1000.0

    def now(self) -> datetime:
        """The time of day."""
        return self.at

    def monotonic(self) -> float:
        """Seconds that a test counts."""
        return self.passed_s

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.at += timedelta(seconds=seconds)
        self.passed_s += seconds


@dataclass
class Provider:
    """Serves a key set, or is out."""

    data: bytes | None = field(default_factory=key_set)
    asked: int = 0

    async def fetch(self) -> bytes:
        """The key set as it is now."""
        self.asked += 1
        if self.data is None:
            raise KeysUnavailableError("out")
        return self.data


def reader(
    clock: FixedClock, provider: Provider | None = None, expected: Expected = EXPECTED
) -> ClaimReader:
    """Reads tokens of the provider above."""
    return ClaimReader(expected, KeySet((provider or Provider()).fetch, clock), clock)
