"""What an OpenAI chat completion says it took, in tokens."""

from app.backends.strict import wrong
from app.domain.conversation import Json
from app.domain.events import Usage


def usage_of(usage: Json) -> Usage:
    """The counts.

    Nothing but these five numbers is read, and none of it reaches anyone as text, so the many
    counters and prices that providers add are not refused.

    Raises:
        BackendError: They are not counts.
    """
    if type(usage) is not dict:
        raise wrong("", "usage", "an object")
    return Usage(
        input_tokens=count_in(usage, "prompt_tokens", "usage."),
        output_tokens=count_in(usage, "completion_tokens", "usage."),
        cached_tokens=_detail(usage, "prompt_tokens_details", "cached_tokens"),
        reasoning_tokens=_detail(usage, "completion_tokens_details", "reasoning_tokens"),
        cache_write_tokens=_detail(usage, "prompt_tokens_details", "cache_write_tokens"),
    )


def count_in(counts: dict[str, Json], name: str, where: str) -> int:
    """A count that has to be there; ``where`` ends with a dot.

    Raises:
        BackendError: It is not.
    """
    count = counts.get(name)
    if type(count) is not int or count < 0:
        raise wrong("", f"{where}{name}", "a count")
    return count


def _detail(usage: dict[str, Json], group: str, name: str) -> int:
    details = usage.get(group)
    if details is None:
        return 0
    if type(details) is not dict:
        raise wrong("usage", group, "an object")
    if details.get(name) is None:
        return 0
    return count_in(details, name, f"usage.{group}.")
