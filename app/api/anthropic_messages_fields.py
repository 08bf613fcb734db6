"""Every field of Anthropic Messages, and how policy treats it.

``REQUEST`` and ``COUNT`` are what the parser walks. Those of answers are in
``app.api.anthropic_messages_answer_fields``.
"""

import re
from collections.abc import Iterable, Mapping

from app.api.compound import Either, Items, Kinds, Object
from app.api.fields import (
    BANNETON,
    CALL_ID,
    CHOSEN,
    MAX_INT,
    MODEL,
    SIGNED,
    kind,
    with_fields,
)
from app.api.media_fields import FILE_ID, Bytes, Link
from app.api.shapes import Flag, FreeJson, Id, Number, Only, Opaque, Refused, Shape, Text, Word

TOOL_NAME = Text(
    max_chars=128,
    pattern=re.compile(r"[A-Za-z0-9_-]+"),
    form="a name of at most 128 letters, digits, '_' and '-'",
)
_CACHE = with_fields("type", type=Word(("ephemeral",)), ttl=Word(("5m", "1h")))
INPUT = FreeJson("JSON, looked at as one text", is_one_text=True)

_THEIRS = Refused("tools that a provider runs are out of reach of policy; none are offered")
_ASSISTANTS = Refused("stands in messages of the assistant only")
_USERS = Refused("stands in messages of the user only")
_PLACE = Refused("where and how fast a model runs is the route's to say")

SERVER_BLOCKS = (
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "container_upload",
)
_SERVER_TOOLS = (
    "bash_20250124",
    "code_execution_20250522",
    "code_execution_20250825",
    "code_execution_20260120",
    "code_execution_20260521",
    "browser_toolset_20260801",
    "computer_toolset_20260801",
    "memory_20250818",
    "text_editor_20250124",
    "text_editor_20250429",
    "text_editor_20250728",
    "tool_search_tool_bm25",
    "tool_search_tool_bm25_20251119",
    "tool_search_tool_regex",
    "tool_search_tool_regex_20251119",
    "web_fetch_20250910",
    "web_fetch_20260209",
    "web_fetch_20260309",
    "web_fetch_20260318",
    "web_search_20250305",
    "web_search_20260209",
    "web_search_20260318",
)


def all_of(kinds: Iterable[str], shape: Refused) -> dict[str, Object | Refused]:
    """The same for each of these kinds."""
    return dict.fromkeys(kinds, shape)


_TEXT = kind(
    "text",
    text=Text(),
    cache_control=_CACHE,
    citations=Opaque(
        "comes with answers and back in histories; never sent to a model", max_chars=None
    ),
)
_TEXTS = Either(Text(), Items(_TEXT))
_URL_SOURCE = kind("url", url=Link())


def _bytes(*types: str) -> Object:
    return with_fields(
        "type",
        "media_type",
        "data",
        type=Word(("base64",)),
        media_type=Word(types),
        data=Bytes(),
    )


_IMAGE = with_fields(
    "type",
    "source",
    type=Word(("image",)),
    source=Kinds(
        "type",
        {
            "base64": _bytes("image/jpeg", "image/png", "image/gif", "image/webp"),
            "url": _URL_SOURCE,
            "file": FILE_ID,
        },
    ),
    cache_control=_CACHE,
    transformations=Refused("how pictures are prepared is the provider's to say"),
)
_CITATIONS = with_fields(enabled=Only(value=False, reason="nothing cites sources yet"))
_DOCUMENT = Object(
    {
        "type": Word(("document",)),
        "source": Kinds(
            "type",
            {
                "base64": _bytes("application/pdf"),
                "url": _URL_SOURCE,
                "text": with_fields(
                    "type",
                    "media_type",
                    "data",
                    type=Word(("text",)),
                    media_type=Word(("text/plain",)),
                    data=Text(),
                ),
                "content": kind(
                    "content",
                    content=Either(
                        Text(), Items(Kinds("type", {"text": _TEXT, "image": _IMAGE}), least=1)
                    ),
                ),
                "file": FILE_ID,
            },
        ),
        "title": Text(),
        "context": Text(),
        "citations": _CITATIONS,
        "cache_control": _CACHE,
    },
    frozenset({"type", "source"}),
)
_SEARCH_RESULT = Object(
    {
        "type": Word(("search_result",)),
        "source": Text(),
        "title": Text(),
        "content": Items(_TEXT, least=1),
        "citations": _CITATIONS,
        "cache_control": _CACHE,
    },
    frozenset({"type", "source", "title", "content"}),
)
_CALLER = Kinds(
    "type",
    {
        "direct": kind("direct"),
        **all_of(("code_execution_20250825", "code_execution_20260120"), _THEIRS),
    },
)
_TOOL_USE = Object(
    {
        "type": Word(("tool_use",)),
        "id": CALL_ID,
        "name": TOOL_NAME,
        "input": INPUT,
        "cache_control": _CACHE,
        "caller": _CALLER,
        "toolset_name": _THEIRS,
    },
    frozenset({"type", "id", "name", "input"}),
)
_TOOL_RESULT = Object(
    {
        "type": Word(("tool_result",)),
        "tool_use_id": CALL_ID,
        "content": Either(
            Text(),
            Items(
                Kinds(
                    "type",
                    {
                        "text": _TEXT,
                        "image": _IMAGE,
                        "document": _DOCUMENT,
                        "search_result": _SEARCH_RESULT,
                        "tool_reference": _THEIRS,
                        "browser_state": _THEIRS,
                    },
                )
            ),
        ),
        "is_error": Flag(),
        "cache_control": _CACHE,
        "toolset_name": _THEIRS,
    },
    frozenset({"type", "tool_use_id"}),
)
_USER_BLOCKS = Kinds(
    "type",
    {
        "text": _TEXT,
        "tool_result": _TOOL_RESULT,
        "image": _IMAGE,
        "document": _DOCUMENT,
        "search_result": _SEARCH_RESULT,
        **all_of(("thinking", "redacted_thinking", "tool_use"), _ASSISTANTS),
        **all_of(SERVER_BLOCKS, _THEIRS),
    },
)
THINKING = with_fields(
    "type",
    "thinking",
    "signature",
    type=Word(("thinking",)),
    thinking=Text(),
    signature=Id(re.compile(f"({SIGNED.pattern.pattern})?"), f"empty, or {SIGNED.form}"),
)
REDACTED = with_fields("type", "data", type=Word(("redacted_thinking",)), data=SIGNED)
_ASSISTANT_BLOCKS = Kinds(
    "type",
    {
        "text": _TEXT,
        "thinking": THINKING,
        "redacted_thinking": REDACTED,
        "tool_use": _TOOL_USE,
        **all_of(("tool_result", "image", "document", "search_result"), _USERS),
        **all_of(SERVER_BLOCKS, _THEIRS),
    },
)


def _message(role: str, content: Shape) -> Object:
    return with_fields("role", "content", role=Word((role,)), content=content)


_MESSAGES = Items(
    Kinds(
        "role",
        {
            "user": _message("user", Either(Text(), Items(_USER_BLOCKS, least=1))),
            "assistant": _message("assistant", Either(Text(), Items(_ASSISTANT_BLOCKS))),
            "system": _message("system", _TEXTS),
        },
    ),
    least=1,
)
_TOOL = Object(
    {
        "type": Word(("custom",)),
        "name": TOOL_NAME,
        "description": Text(),
        "input_schema": FreeJson(),
        "strict": Flag(),
        "cache_control": _CACHE,
        "allowed_callers": Items(Word(("direct",))),
        "defer_loading": Only(value=False, reason="send only the tools that the model may call"),
        # Clients send it by themselves; arguments leave no sooner than policy has read them.
        "eager_input_streaming": Flag(),
        "input_examples": Refused("show examples in the description"),
    },
    frozenset({"name", "input_schema"}),
)
_TOOLS = Items(
    Kinds("type", {"custom": _TOOL, **all_of(_SERVER_TOOLS, _THEIRS)}, "custom"), most=128
)
_SINGLE = Flag()
_TOOL_CHOICE = Kinds(
    "type",
    {
        "auto": kind("auto", disable_parallel_tool_use=_SINGLE),
        "any": kind("any", disable_parallel_tool_use=_SINGLE),
        "none": kind("none"),
        "tool": with_fields(
            "type",
            "name",
            type=Word(("tool",)),
            name=CHOSEN,
            disable_parallel_tool_use=_SINGLE,
        ),
    },
)
_DISPLAY = Word(("summarized",))
_THINKING_CONFIG = Kinds(
    "type",
    {
        "enabled": with_fields(
            "type",
            "budget_tokens",
            type=Word(("enabled",)),
            budget_tokens=Number(1024, MAX_INT, is_whole=True),
            display=_DISPLAY,
        ),
        "disabled": kind("disabled"),
        "adaptive": kind("adaptive", display=_DISPLAY),
        "between_tools": Refused(
            "no route can ask for it; use 'enabled', 'adaptive' or 'disabled'"
        ),
    },
)
_OUTPUT_CONFIG = Object(
    {
        "effort": Word(("low", "medium", "high")),
        "format": with_fields("type", "schema", type=Word(("json_schema",)), schema=FreeJson()),
    }
)
_SHARED: Mapping[str, Shape] = {
    "messages": _MESSAGES,
    "model": MODEL,
    "system": _TEXTS,
    "tools": _TOOLS,
    "tool_choice": _TOOL_CHOICE,
    "thinking": _THINKING_CONFIG,
    "output_config": _OUTPUT_CONFIG,
    "cache_control": _CACHE,
    "banneton": BANNETON,
    "speed": _PLACE,
    "user_profile_id": Refused("name the end user in 'metadata.user_id'"),
    # Clients of tools try it first, and after this code send the whole conversation themselves.
    "thread": Refused(
        "nothing is held between turns; send the whole conversation", "thread_unsupported_request"
    ),
    "workspace_id": Refused("it is of the provider's account, which the route names"),
}
REQUEST = Object(
    {
        **_SHARED,
        "max_tokens": Number(1, MAX_INT, is_whole=True),
        "stream": Flag(),
        "temperature": Number(0, 1),
        "top_p": Number(0, 1),
        "top_k": Number(1, MAX_INT, is_whole=True),
        "stop_sequences": Items(
            Text(max_chars=256, pattern=re.compile(r"(?s).+"), form="text, 1 to 256 characters"),
            most=64,
        ),
        "metadata": Object(
            {"user_id": Opaque("names the end user; kept under a key, never sent to a model")}
        ),
        "container": _THEIRS,
        "diagnostics": Refused("how prompts are cached shows in 'usage'"),
        "inference_geo": _PLACE,
        "service_tier": _PLACE,
    },
    frozenset({"messages", "model", "max_tokens"}),
    extensions=frozenset({"banneton", "temperature", "thread", "top_p", "top_k"}),
)
COUNT = Object(
    _SHARED, frozenset({"messages", "model"}), extensions=frozenset({"banneton", "thread"})
)
