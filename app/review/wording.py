"""What a plan says, in words that are the same in every format."""

from datetime import timedelta

from app.metrics.compare import Movement
from app.metrics.definitions import Measurement
from app.review.change import Located, listed
from app.review.replayed import Cause, Count, Flip

_MOST_PERSONAS = 6
_NOTHING = 1e-9
"""Less than this is what sums of fractions leave over."""


def printable(said: str) -> str:
    """A line of text as it may be shown: what cannot be seen is written as its code point."""
    return "".join(char if char.isprintable() else f"\\u{{{ord(char):x}}}" for char in said)


def place(located: Located) -> str:
    """Where a change is written."""
    source = located.source
    return printable(f"{source.file}:{source.line}") if source else "banneton.yaml"


def about(located: Located) -> str:
    """What changes, and for whom, in one line."""
    whom = whom_of(located)
    return what_of(located) + (f" ({whom})" if whom else "")


def what_of(located: Located) -> str:
    """What changes, in one line."""
    change = located.change
    said = f"rule {change.rule}: {change.what}" if change.rule else change.what
    if change.rule and change.audiences:
        said += f", for {', '.join(change.audiences)}"
    if change.rule and change.stages and change.concern == "then":
        said += f", at {', '.join(change.stages)}"
    return printable(said)


def whom_of(located: Located) -> str:
    """Whose policies and personas change; empty where it is about none."""
    parts = (("policy", "policies", located.policies), ("persona", "personas", located.personas))
    said = "; ".join(
        f"{one if len(names) == 1 else many} {', '.join(names)}"
        for one, many, names in parts
        if names
    )
    return printable(said)


def cause_in_words(cause: Cause) -> str:
    """Which part of the change it is, in one line."""
    kind = "behaviour" if cause.concern == "behaviours" else "rule"
    return printable(f"{kind} {cause.rule} of {cause.policy}: {cause.what}")


def flip_in_words(flip: Flip) -> str:
    """What becomes of recorded decisions and why, without how many they are."""
    causes = listed(sorted({cause_in_words(each) for each in flip.causes}) or ["nobody can say"])
    return f"recorded decisions: '{flip.before}' becomes '{flip.after}' by {causes}"


def counts_in_words(counts: tuple[Count, ...]) -> str:
    """Names with how many there are of each."""
    shown = [f"{each.name} ({each.count:,})" for each in counts[:_MOST_PERSONAS]]
    if len(counts) > _MOST_PERSONAS:
        shown.append(f"{len(counts) - _MOST_PERSONAS} more")
    return printable(", ".join(shown))


def movement_in_words(movement: Movement) -> str:
    """How a metric moved, in one line."""
    was, now = (estimate_in_words(each) for each in (movement.before, movement.after))
    return printable(f"the metric '{movement.metric.title}': {was} becomes {now}")


def estimate_in_words(measured: Measurement) -> str:
    """A metric's value in its unit."""
    if measured.estimate is None:
        return "not scored"
    return amount_in_words(measured.metric.unit, measured.estimate.point)


def amount_in_words(unit: str, amount: float, *, sign: bool = False) -> str:
    """An amount in a metric's unit: shares in percent, money in dollars."""
    plus = "+" if sign else ""
    amount = 0.0 if abs(amount) < _NOTHING else amount
    if unit.startswith("share"):
        return f"{100 * amount:{plus}.1f}" + (" points" if sign else " %")
    if unit.startswith("USD"):
        return f"{amount:{plus}.3g} $"
    return f"{amount:{plus}.3g} ms" if unit == "ms" else f"{amount:{plus}.3g}"


def age_in_words(age: timedelta) -> str:
    """How old something is, in the largest unit of which there are two."""
    minutes = max(int(age.total_seconds()) // 60, 0)
    for unit, long in (("day", 1_440), ("hour", 60)):
        if minutes >= 2 * long:
            return f"{minutes // long} {unit}s"
    return f"{minutes} minute{'' if minutes == 1 else 's'}"
