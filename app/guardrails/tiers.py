"""How much a detector with a learned model may take to be right."""

import importlib.util
from enum import StrEnum

from app.domain.errors import DetectorError

_RUNTIME = "onnxruntime"


class Tier(StrEnum):
    """Which models look."""

    AUTO = "auto"
    """Strong where the extra ``models`` is installed, else fast."""
    FAST = "fast"
    """The linear model alone: tenths of a millisecond a kilobyte."""
    STRONG = "strong"
    """The encoder reads what the linear model is unsure of: up to 30 ms a kilobyte."""


def same_models(tier: Tier, other: Tier) -> bool:
    """Whether the same models look, wherever policies with these are loaded.

    ``strong`` loads only where ``auto`` is the same.
    """
    return (tier is Tier.FAST) == (other is Tier.FAST)


def is_strong(tier: Tier) -> bool:
    """Whether the encoder takes part.

    Raises:
        DetectorError: It has to, and is not installed.
    """
    if tier is Tier.FAST:
        return False
    is_installed = importlib.util.find_spec(_RUNTIME) is not None
    if tier is Tier.STRONG and not is_installed:
        raise DetectorError(
            "`tier: strong` needs the extra `models`: pip install 'banneton[models]', "
            "or write `tier: auto`"
        )
    return is_installed
