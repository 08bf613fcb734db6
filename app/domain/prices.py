"""What models cost, as those who run the gateway say it."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.events import Usage

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """Of one model, in USD per million tokens."""

    input: float
    output: float
    cached: float | None = None
    """Of input that was read from the provider's cache; as other input where left out."""
    cache_write: float | None = None
    """Of input that was written to the provider's cache; as other input where left out."""

    def cost(self, usage: Usage) -> float:
        """In USD. Reasoning is part of the output; what is cached is part of the input."""
        fresh = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
        cached = self.input if self.cached is None else self.cached
        cache_write = self.input if self.cache_write is None else self.cache_write
        return (
            max(fresh, 0) * self.input
            + usage.cached_tokens * cached
            + usage.cache_write_tokens * cache_write
            + usage.output_tokens * self.output
        ) / _MILLION


Prices = Mapping[tuple[str, str], Price]
"""By backend and model. What is not here has no known cost, which is not the same as none."""
