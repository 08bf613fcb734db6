"""How much a model is to reason, as Anthropic's models are told it."""

from types import MappingProxyType
from typing import Final

from app.domain.conversation import Effort, Reasoning
from app.domain.errors import RequestError

EFFORTS: Final = MappingProxyType(
    {
        Effort.MINIMAL: "low",
        Effort.LOW: "low",
        Effort.MEDIUM: "medium",
        Effort.HIGH: "high",
    }
)
"""The least effort that they know is low."""

_MIN_BUDGET: Final = 1024


def reasoning_budget(wish: Reasoning, max_tokens: int | None) -> int:
    """How many tokens of an answer may be reasoning; some have to be left for its text.

    Args:
        wish: An effort, which is fitted into half of the answer, or a number of tokens.
        max_tokens: Of the answer; ``None`` where nobody limits it.

    Raises:
        RequestError: They do not fit, or are too few.
    """
    budget = wish.tokens
    if max_tokens is not None:
        if isinstance(wish.wish, Effort):
            budget = min(budget, max_tokens // 2)
        if budget >= max_tokens:
            what = "reasoning: its tokens must be fewer than those of the whole answer"
            raise RequestError(what, param="reasoning")
    if budget < _MIN_BUDGET:
        what = f"reasoning: this persona's provider wants at least {_MIN_BUDGET} tokens for it"
        raise RequestError(what, param="reasoning")
    return budget
