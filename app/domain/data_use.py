"""What a provider may do with what it is sent, beyond answering."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Json = Any


class DataUse(StrEnum):
    """What a provider could do."""

    TRAIN = "train"
    """Train models on it."""
    STORE = "store"
    """Keep it for later, but for logs against abuse."""


class Call(StrEnum):
    """What is asked of a provider, by its wire format."""

    CHAT = "chat"
    RESPONSES = "responses"
    MESSAGES = "messages"
    EMBEDDINGS = "embeddings"
    IMAGES = "images"


@dataclass(frozen=True, slots=True)
class Switches:
    """The fields of a request that forbid a provider a use."""

    fields: Mapping[DataUse, Mapping[Call, Mapping[str, Json]]] = field(default_factory=dict)

    def forbidding(self, call: Call, may: frozenset[DataUse]) -> dict[str, Json]:
        """The fields of a request that forbid all uses but these."""
        made: dict[str, Json] = {}
        for use, by_call in self.fields.items():
            if use not in may:
                made = over(made, by_call.get(call, {}))
        return made


NO_SWITCHES = Switches()


def over(below: Mapping[str, Json], above: Mapping[str, Json]) -> dict[str, Json]:
    """Fields of two sources in one request; where both have a field, the upper one's holds.

    Of two objects, those fields that only the lower one has stay.
    """
    made = {**below, **above}
    for name in below.keys() & above.keys():
        if isinstance(below[name], Mapping) and isinstance(above[name], Mapping):
            made[name] = {**below[name], **above[name]}
    return made
