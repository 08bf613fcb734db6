"""Which share of traffic an exchange falls into."""

import hashlib
import hmac
from functools import lru_cache

_STEPS = 10_000
"""A draw has two decimals."""


def draw_of(key: bytes, tenant: str, unit: str) -> float:
    """Where in [0, 100) an exchange falls; rules that act for a share act where it is below that.

    Args:
        key: Of the deployment, so that every replica draws alike and no client can choose.
        tenant: Whose unit it is.
        unit: What stays on one side: the session, or the request where there is none.
    """
    what = f"{len(tenant)}\0{tenant}\0{unit}".encode("utf-8", "surrogatepass")
    drawn = int.from_bytes(hmac.digest(_own(key), what, "sha256")[:8], "big")
    return drawn % _STEPS / (_STEPS / 100)


@lru_cache(maxsize=4)
def _own(key: bytes) -> bytes:
    """The key of draws alone, made of the deployment's."""
    return hmac.digest(key, b"share of traffic", hashlib.sha256)
