"""The reference page of what providers may do with what they are sent."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from app.cli.tables import code, table

if TYPE_CHECKING:
    from app.settings.data_uses import HeldOff

_BY = {
    "request": "the gateway says it in every request",
    "terms": "its terms or defaults forbid it, for everybody",
    "account": "a setting of the account, or an agreement: `check` warns until `assured` names it",
    "nothing": "nothing was found that does: `check` warns until `assured` names something",
    "yours": "it is your own machine",
}


def providers_page() -> Iterator[str]:
    """Its lines."""
    from app.domain.data_use import DataUse
    from app.settings.data_uses import HeldOffBy, providers

    yield "No route lets a provider train on what it is sent, or keep it, unless it says so with"
    yield "`provider_may`. [How to say it](../how-to/data-use.md). What holds each provider off was"
    yield "read from public documentation in November 2026, and not tried. Read the source again"
    yield "before you rely on it. Logs against abuse are not counted as keeping."
    yield ""
    yield from table("held off by", "meaning", rows=((code(by), _BY[by]) for by in HeldOffBy))
    for name, provider in providers().items():
        yield from (f"## {name}", "")
        hosts = [each if not each.startswith(".") else f"*{each}" for each in provider.hosts]
        through = f"; for LiteLLM {code(provider.litellm)}" if provider.litellm else ""
        yield f"At {', '.join(map(code, hosts))}{through}."
        yield ""
        rows = ((use, provider.held_off(use)) for use in DataUse)
        yield from table(
            "use",
            "held off by",
            "fields by call",
            "source",
            "how",
            rows=(
                (code(use), code(held.by), _fields(held), held.source, held.what)
                for use, held in rows
            ),
        )


def _fields(held: "HeldOff") -> str:
    import json

    by_fields: dict[str, list[str]] = {}
    for call, fields in held.fields.items():
        by_fields.setdefault(json.dumps(fields), []).append(call)
    return "; ".join(f"{', '.join(calls)}: {code(said)}" for said, calls in by_fields.items())
