"""The coverage law for Chat Completions: every field of the wire format, and how policy treats it.

``REQUEST`` is what the parser walks; a field that does not stand here does not get in. ``ANSWER``
and ``CHUNK`` say, for each field that a provider may send, what becomes of it on its way to the
client. A test compares all three with the types of the vendor's own package and fails when the
vendor gains or loses a field.
"""

import re
from collections.abc import Mapping

from app.api.compound import Either, Items, Kinds, Object
from app.api.shapes import (
    NAME,
    Flag,
    FreeJson,
    Id,
    Number,
    Only,
    Opaque,
    Refused,
    Row,
    Shape,
    Text,
    Variables,
    Word,
)
from app.api.summaries import SUMMARY
from app.domain.conversation import Json

_FUNCTION_NAME = Text(
    max_chars=64,
    pattern=re.compile(r"[A-Za-z0-9_-]+"),
    form="a name of at most 64 letters, digits, '_' and '-'",
)
_SPEAKER = Text(
    max_chars=64,
    pattern=re.compile(r"[^\s<|\\/>]+"),
    form="a name of at most 64 characters without spaces, '<', '|', '\\', '/' or '>'",
)
_CALL_ID = Id(
    re.compile(r"[A-Za-z0-9_.:|=+/-]{1,200}"), "an id of at most 200 letters, digits and _.:|=+/-"
)
MODEL = Id(re.compile(r"[\w.-]{1,80}(:[\w.-]{1,80})?"), "a persona's id, or 'persona:variant'")
_MAX_INT = 2**63 - 1

_CACHE = Refused("how prompts are cached is the route's to say")
_CUSTOM_TOOL = Refused("only tools of type 'function' are guarded so far")
_LEGACY = Refused("use 'tools' and 'tool_choice'")


def _kind(word: str, **fields: Shape) -> Object:
    """An object whose ``type`` says this word, and which needs the field of that name, if any."""
    return Object({"type": Word((word,))} | fields, frozenset({"type"} | {word} & fields.keys()))


def _object(*required: str, **fields: Shape) -> Object:
    return Object(fields, frozenset(required))


_TEXT_PART = _kind("text", text=Text(), prompt_cache_breakpoint=_CACHE)
_TEXT_OR_PARTS = Either(Text(), Items(_TEXT_PART, least=1))
_USER_PARTS = Kinds(
    "type",
    {
        "text": _TEXT_PART,
        "image_url": Refused("no detector looks at images yet, so none are let through"),
        "input_audio": Refused("no detector listens to audio yet, so none is let through"),
        "file": Refused("no detector reads files yet; send their text in a text part"),
    },
)
_ASSISTANT_PARTS = Kinds("type", {"text": _TEXT_PART, "refusal": _kind("refusal", refusal=Text())})
_TOOL_CALL = _object(
    "type",
    "id",
    "function",
    type=Word(("function",)),
    id=_CALL_ID,
    function=_object("name", "arguments", name=_FUNCTION_NAME, arguments=Text()),
)


def _message(role: str, content: Shape) -> Object:
    return _object("role", "content", role=Word((role,)), content=content, name=_SPEAKER)


MESSAGES = Items(
    Kinds(
        "role",
        {
            "developer": _message("developer", _TEXT_OR_PARTS),
            "system": _message("system", _TEXT_OR_PARTS),
            "user": _message("user", Either(Text(), Items(_USER_PARTS, least=1))),
            "assistant": Object(
                {
                    "role": Word(("assistant",)),
                    "content": Either(Text(), Items(_ASSISTANT_PARTS, least=1)),
                    "refusal": Text(),
                    "reasoning_content": Text(),
                    "name": _SPEAKER,
                    "tool_calls": Items(
                        Kinds("type", {"function": _TOOL_CALL, "custom": _CUSTOM_TOOL}), least=1
                    ),
                    "annotations": Opaque(
                        "comes with answers and back in histories; never sent to a model",
                        max_chars=None,
                    ),
                    "audio": Refused("audio is not kept between turns"),
                    "function_call": _LEGACY,
                },
                frozenset({"role"}),
                extensions=frozenset({"reasoning_content", "annotations"}),
            ),
            "tool": _object(
                "role",
                "content",
                "tool_call_id",
                role=Word(("tool",)),
                content=_TEXT_OR_PARTS,
                tool_call_id=_CALL_ID,
            ),
            "function": Refused("use messages with the role 'tool'"),
        },
    ),
    least=1,
)

_TOOLS = Items(
    Kinds(
        "type",
        {
            "function": _kind(
                "function",
                function=_object(
                    "name",
                    name=_FUNCTION_NAME,
                    description=Text(),
                    parameters=FreeJson(),
                    strict=Flag(),
                ),
            ),
            "custom": _CUSTOM_TOOL,
        },
    ),
    most=128,
)
_CHOSEN = Id(re.compile(r"[A-Za-z0-9_-]{1,64}"), "the name of one of tools")
_TOOL_CHOICE = Either(
    Word(("none", "auto", "required")),
    Kinds(
        "type",
        {
            "function": _kind("function", function=_object("name", name=_CHOSEN)),
            "allowed_tools": Refused("send only the tools that the model may call"),
            "custom": _CUSTOM_TOOL,
        },
    ),
)
_JSON_SCHEMA = _object(
    "name", name=_FUNCTION_NAME, description=Text(), schema=FreeJson(), strict=Flag()
)
_RESPONSE_FORMAT = Kinds(
    "type",
    {
        "text": _kind("text"),
        "json_object": _kind("json_object"),
        "json_schema": _kind("json_schema", json_schema=_JSON_SCHEMA),
    },
)
_STOP = Text(max_chars=256, pattern=re.compile(r"(?s).+"), form="text, 1 to 256 characters")
VARIABLES = Variables()
_BANNETON = Object(
    {
        "audience": NAME,
        "variables": VARIABLES,
        "session": Opaque("names the conversation; kept under a key, never sent to a model"),
        "scenario": NAME,
        "consent": Id(
            re.compile(r"[\w.:/-]{1,120}"),
            "at most 120 letters, digits and '_', '.', ':', '/', '-'",
        ),
    }
)

REQUEST = Object(
    {
        "messages": MESSAGES,
        "model": MODEL,
        "stream": Flag(),
        "stream_options": Object(
            {
                "include_usage": Flag(),
                "include_obfuscation": Only(
                    value=False, reason="chunks are not padded, so do not rely on it"
                ),
            }
        ),
        "tools": _TOOLS,
        "tool_choice": _TOOL_CHOICE,
        "parallel_tool_calls": Flag(),
        "response_format": _RESPONSE_FORMAT,
        "temperature": Number(0, 2),
        "top_p": Number(0, 1),
        "max_tokens": Number(1, _MAX_INT, is_whole=True),
        "max_completion_tokens": Number(1, _MAX_INT, is_whole=True),
        "stop": Either(_STOP, Items(_STOP, most=4)),
        "seed": Number(-_MAX_INT - 1, _MAX_INT, is_whole=True),
        "presence_penalty": Number(-2, 2),
        "frequency_penalty": Number(-2, 2),
        "user": Opaque("names the end user; kept under a key, never sent to a model"),
        "banneton": _BANNETON,
        "n": Only(1, "ask again for another answer"),
        "logprobs": Only(value=False, reason="they spell out text before policy has seen it"),
        "store": Only(value=False, reason="what is kept is the policy's to say"),
        "modalities": Items(Word(("text",))),
        "audio": Refused("no detector listens to audio yet, so none is made"),
        "function_call": _LEGACY,
        "functions": _LEGACY,
        "logit_bias": Refused("token numbers cannot be looked at"),
        "metadata": Refused(
            "nothing keeps it: name the end user in 'user' and the conversation in "
            "'banneton.session'"
        ),
        "moderation": Refused("what is moderated is the policy's to say"),
        "prediction": Refused("no route uses it"),
        "prompt_cache_key": _CACHE,
        "prompt_cache_options": _CACHE,
        "prompt_cache_retention": _CACHE,
        "reasoning_effort": Refused("how much a model reasons is the route's to say"),
        "safety_identifier": Refused("name the end user in 'user'"),
        "service_tier": Refused("the tier of service is the route's to say"),
        "top_logprobs": Refused("they spell out text before policy has seen it"),
        "verbosity": Refused("how a persona speaks is its voice's to say"),
        "web_search_options": Refused("what a persona may look up is its tools' to say"),
    },
    frozenset({"messages", "model"}),
    extensions=frozenset({"banneton"}),
)

_COUNT = Number(0, _MAX_INT, is_whole=True)
_UNASKED = Refused("not asked for, and dropped if it comes")
_USAGE = Object(
    {
        "completion_tokens": _COUNT,
        "prompt_tokens": _COUNT,
        "total_tokens": _COUNT,
        "completion_tokens_details": Object(
            {
                "reasoning_tokens": _COUNT,
                "accepted_prediction_tokens": _UNASKED,
                "audio_tokens": _UNASKED,
                "rejected_prediction_tokens": _UNASKED,
                "text_tokens": _UNASKED,
            }
        ),
        "prompt_tokens_details": Object(
            {
                "cached_tokens": _COUNT,
                "audio_tokens": _UNASKED,
                "cache_write_tokens": _UNASKED,
                "image_tokens": _UNASKED,
                "text_tokens": _UNASKED,
            }
        ),
    }
)
_FINISH = Word(("stop", "length", "tool_calls", "content_filter"))
_OWN_ID = Id(re.compile(r"chatcmpl-.{1,200}"), "made here")
_CITATION = Object({"url": Text(), "title": Text(), "start_index": _COUNT, "end_index": _COUNT})
_ANNOTATIONS = Items(Object({"type": Word(("url_citation",)), "url_citation": _CITATION}))


def _envelope(name: str, choice: Shape, extra: Mapping[str, Shape]) -> Object:
    """What an answer and a chunk have in common."""
    return Object(
        {
            "id": _OWN_ID,
            "object": Word((name,)),
            "created": _COUNT,
            "model": MODEL,
            "choices": Items(choice),
            "usage": _USAGE,
            "banneton": SUMMARY,
            "moderation": _UNASKED,
            "service_tier": _UNASKED,
            "system_fingerprint": _UNASKED,
        }
        | dict(extra),
        frozenset({"id", "object", "created", "model", "choices"}),
        extensions=frozenset({"banneton"}),
    )


ANSWER = _envelope(
    "chat.completion",
    Object(
        {
            "index": _COUNT,
            "finish_reason": _FINISH,
            "logprobs": _UNASKED,
            "message": Object(
                {
                    "role": Word(("assistant",)),
                    "content": Text(),
                    "refusal": Text(),
                    "reasoning_content": Text(),
                    "annotations": _ANNOTATIONS,
                    "tool_calls": Items(
                        Kinds("type", {"function": _TOOL_CALL, "custom": _UNASKED})
                    ),
                    "audio": _UNASKED,
                    "function_call": _UNASKED,
                },
                frozenset({"role"}),
                extensions=frozenset({"reasoning_content"}),
            ),
        },
        frozenset({"index", "finish_reason", "message"}),
    ),
    {"metadata": _UNASKED},
)

CHUNK = _envelope(
    "chat.completion.chunk",
    Object(
        {
            "index": _COUNT,
            "finish_reason": _FINISH,
            "logprobs": _UNASKED,
            "delta": Object(
                {
                    "role": Word(("assistant",)),
                    "content": Text(),
                    "refusal": Text(),
                    "reasoning_content": Text(),
                    "annotations": _ANNOTATIONS,
                    "tool_calls": Items(
                        Object(
                            {
                                "index": _COUNT,
                                "id": _CALL_ID,
                                "type": Word(("function",)),
                                "function": Object({"name": _FUNCTION_NAME, "arguments": Text()}),
                            },
                            frozenset({"index"}),
                        )
                    ),
                    "audio": _UNASKED,
                    "function_call": _UNASKED,
                },
                extensions=frozenset({"reasoning_content", "annotations"}),
            ),
        },
        frozenset({"index", "delta"}),
    ),
    {"obfuscation": _UNASKED},
)

TABLES: Mapping[str, Mapping[str, Shape]] = {
    "openai_chat": {"request": REQUEST, "answer": ANSWER, "stream": CHUNK},
}


def _line(row: Row) -> dict[str, Json]:
    line: dict[str, Json] = {"path": row.path, "treatment": row.treatment, "holds": row.holds}
    if row.reason:
        line["reason"] = row.reason
    if row.is_extension:
        line["extension"] = True
    return line


def table() -> dict[str, Json]:
    """What ``GET /v1/coverage`` serves: by dialect and direction, every field."""
    return {
        dialect: {name: [_line(row) for row in shape.rows("")] for name, shape in shapes.items()}
        for dialect, shapes in TABLES.items()
    }
