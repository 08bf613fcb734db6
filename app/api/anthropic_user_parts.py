"""The blocks of a user's message and of a tool's result, as parts of a conversation.

A document whose text stands in the request, and a search result, become the texts that they are
made of: policy looks at those, and every protocol can carry them.
"""

from collections.abc import Iterator
from dataclasses import replace

from app.api.dialect import Body, results
from app.domain.conversation import (
    CacheFor,
    FilePart,
    ImagePart,
    Inline,
    Json,
    Linked,
    Part,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)


def cache_of(block: Body) -> CacheFor | None:
    """How long a provider is to remember the prompt up to the end of a block."""
    wanted = block.get("cache_control")
    return None if wanted is None else CacheFor(wanted.get("ttl") or CacheFor.FIVE_MINUTES)


def with_cache(part: Part, cache: CacheFor) -> Part:
    """A part that ends what is to be remembered, unless it says so itself."""
    takes = (TextPart, ToolCallPart, ToolResultPart, ImagePart, FilePart)
    return replace(part, cache=cache) if isinstance(part, takes) and part.cache is None else part


def texts(content: Json, where: str) -> Iterator[TextPart]:
    """Content that holds nothing but text."""
    if type(content) is str:
        yield TextPart(content, where)
        return
    for index, block in enumerate(content):
        yield TextPart(block["text"], f"{where}[{index}].text", cache_of(block))


def user_parts(content: Json, where: str, first: int = 0) -> Iterator[Part]:
    """What a user says, but for blocks before the first."""
    if type(content) is str:
        yield TextPart(content, where)
        return
    for index, block in enumerate(content[first:], first):
        yield from _block(block, f"{where}[{index}]")


def result_parts(block: Body, where: str) -> Iterator[Part]:
    """What a tool answered."""
    content, cache = block.get("content") or "", cache_of(block)
    path, is_error = f"{where}.content", bool(block.get("is_error"))
    said = [*user_parts(content, path)]
    if said and cache is not None:
        said[-1] = with_cache(said[-1], cache)
    yield from results(block["tool_use_id"], said, path, is_error=is_error)


def _block(block: Body, path: str) -> Iterator[Part]:
    cache = cache_of(block)
    match block["type"]:
        case "text":
            yield TextPart(block["text"], f"{path}.text", cache)
        case "image":
            source, at = _source(block["source"], path)
            yield ImagePart(source, at, cache=cache)
        case "document":
            yield from _document(block, path, cache)
        case _:
            yield TextPart(block["title"], f"{path}.title")
            yield TextPart(block["source"], f"{path}.source")
            yield from _ended(texts(block["content"], f"{path}.content"), cache)


def _document(block: Body, path: str, cache: CacheFor | None) -> Iterator[Part]:
    source, title, context = block["source"], block.get("title"), block.get("context")
    is_file = source["type"] in {"base64", "url"}
    if title is not None and not is_file:
        yield TextPart(title, f"{path}.title")
    if context is not None:
        yield TextPart(context, f"{path}.context")
    if is_file:
        made, at = _source(source, path)
        yield FilePart(made, at, title, f"{path}.title", cache)
    elif source["type"] == "text":
        yield TextPart(source["data"], f"{path}.source.data", cache)
    else:
        yield from _ended(user_parts(source["content"], f"{path}.source.content"), cache)


def _source(source: Body, path: str) -> tuple[Inline | Linked, str]:
    if source["type"] == "url":
        return Linked(source["url"]), f"{path}.source.url"
    return Inline(source["media_type"], source["data"]), f"{path}.source.data"


def _ended(parts: Iterator[Part], cache: CacheFor | None) -> Iterator[Part]:
    """The parts, the last of which ends what is to be remembered."""
    *first, last = parts
    yield from first
    yield last if cache is None else with_cache(last, cache)
