"""Numbers and times as pages show them, the same in both languages."""

from datetime import UTC, datetime, timedelta

_SECOND_MS = 1000
_MINUTE_MS = 60 * _SECOND_MS
_DIGEST = 12
_LEAST_DOLLARS = 0.0001


def duration(milliseconds: float) -> str:
    """Such as ``0.4 ms``, ``340 ms``, ``1.2 s`` or ``3 min``."""
    if milliseconds < 1:
        return f"{milliseconds:.1f} ms"
    if milliseconds < _SECOND_MS:
        return f"{milliseconds:.0f} ms"
    if milliseconds < _MINUTE_MS:
        return f"{milliseconds / _SECOND_MS:.1f} s"
    return f"{milliseconds / _MINUTE_MS:.0f} min"


def moment(at: datetime | str) -> str:
    """Such as ``2026-11-22 18:31:04``, in UTC."""
    time = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def after(at: str, start: str) -> float:
    """Milliseconds from one time of a record to another."""
    past = datetime.fromisoformat(at) - datetime.fromisoformat(start)
    return past / timedelta(milliseconds=1)


def digest(said: str) -> str:
    """The beginning of a digest: enough to tell two apart by eye."""
    return said.removeprefix("sha256:")[:_DIGEST]


def percent(share: float) -> str:
    """Such as ``0.4 %`` or ``37 %``."""
    part = 100 * share
    return f"{part:.1f} %" if 0 < part < 10 else f"{part:.0f} %"  # noqa: PLR2004  # two digits


def dollars(amount: float) -> str:
    """Such as ``$0.0042``, ``< $0.0001`` or ``$12.30``."""
    if 0 < amount < _LEAST_DOLLARS:
        return f"< ${_LEAST_DOLLARS}"
    return f"${amount:.2f}" if amount >= 1 else f"${amount:.4f}"
