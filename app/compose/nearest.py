"""What a mistyped name was probably meant to be."""

from collections.abc import Iterable
from difflib import get_close_matches


def remedy(name: str, known: Iterable[str]) -> str:
    """Words that help: the nearest known name, and all of them where they are few."""
    names = sorted(known)
    nearest = get_close_matches(name, names, n=1, cutoff=0.6)
    listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")  # noqa: PLR2004  # fits a line
    if not names:
        return "there are none"
    if nearest:
        return f"did you mean '{nearest[0]}'? ({listed})"
    return f"known are: {listed}"
