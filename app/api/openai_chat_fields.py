"""Every field of Chat Completions, and how policy treats it.

``REQUEST`` is what the parser walks; ``ANSWER`` and ``CHUNK`` say, for each field that a provider
may send, what becomes of it on its way to the client.
"""

import re
from collections.abc import Mapping

from app.api.compound import Either, Items, Kinds, Object
from app.api.fields import (
    ALTERNATIVES,
    BANNETON,
    CALL_ID,
    CHOSEN,
    DRAWN,
    FUNCTION_NAME,
    MAX_INT,
    MODEL,
    SIGNED,
    TOKEN,
    UNASKED,
    kind,
    with_fields,
)
from app.api.media_fields import DETAIL, FILE_ID, FILE_NAME, DataUrl, LinkOrData
from app.api.shapes import (
    Flag,
    FreeJson,
    Id,
    Number,
    Only,
    Opaque,
    Refused,
    Shape,
    Text,
    Word,
)
from app.api.summaries import COUNT, SUMMARY
from app.domain.conversation import Effort

MAX_CHOICES = 128
"""As OpenAI has it; what a persona allows is less."""
_SPEAKER = Text(
    max_chars=64,
    pattern=re.compile(r"[^\s<|\\/>]+"),
    form="a name of at most 64 characters without spaces, '<', '|', '\\', '/' or '>'",
)
_CACHE = Refused("how prompts are cached is the route's to say")
_CUSTOM_TOOL = Refused("only tools of type 'function' are guarded so far")
_LEGACY = Refused("use 'tools' and 'tool_choice'")


_TEXT_PART = kind("text", text=Text(), prompt_cache_breakpoint=_CACHE)
_TEXT_OR_PARTS = Either(Text(), Items(_TEXT_PART, least=1))
_USER_PARTS = Kinds(
    "type",
    {
        "text": _TEXT_PART,
        "image_url": kind(
            "image_url",
            image_url=with_fields("url", url=LinkOrData(), detail=DETAIL),
            prompt_cache_breakpoint=_CACHE,
        ),
        "input_audio": Refused("no detector listens to audio yet, so none is let through"),
        "file": kind(
            "file",
            file=with_fields("file_data", file_data=DataUrl(), filename=FILE_NAME, file_id=FILE_ID),
            prompt_cache_breakpoint=_CACHE,
        ),
    },
)
_ASSISTANT_PARTS = Kinds("type", {"text": _TEXT_PART, "refusal": kind("refusal", refusal=Text())})
# Where Google's own endpoint for this format puts what a model signed of a call.
_SIGNED_CALL = with_fields(
    "google", google=with_fields("thought_signature", thought_signature=SIGNED)
)
_TOOL_CALL = Object(
    {
        "type": Word(("function",)),
        "id": CALL_ID,
        "function": with_fields("name", "arguments", name=FUNCTION_NAME, arguments=Text()),
        "extra_content": _SIGNED_CALL,
    },
    frozenset({"type", "id", "function"}),
    extensions=frozenset({"extra_content"}),
)


def _message(role: str, content: Shape) -> Object:
    return with_fields("role", "content", role=Word((role,)), content=content, name=_SPEAKER)


def _messages(user_parts: Kinds) -> Items:
    return Items(
        Kinds(
            "role",
            {
                "developer": _message("developer", _TEXT_OR_PARTS),
                "system": _message("system", _TEXT_OR_PARTS),
                "user": _message("user", Either(Text(), Items(user_parts, least=1))),
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
                        "images": Refused(
                            "show an earlier picture as image_url in a message of the user"
                        ),
                        "provider_specific_fields": Opaque(
                            "LiteLLM's client sends it back with its messages; never sent on",
                            max_chars=None,
                        ),
                        "audio": Refused("audio is not kept between turns"),
                        "function_call": _LEGACY,
                    },
                    frozenset({"role"}),
                    extensions=frozenset(
                        {"reasoning_content", "annotations", "images", "provider_specific_fields"}
                    ),
                ),
                "tool": with_fields(
                    "role",
                    "content",
                    "tool_call_id",
                    role=Word(("tool",)),
                    content=_TEXT_OR_PARTS,
                    tool_call_id=CALL_ID,
                ),
                "function": Refused("use messages with the role 'tool'"),
            },
        ),
        least=1,
    )


MESSAGES = _messages(_USER_PARTS)
_UNSEEN = Refused("no detector looks inside, so there is nothing to check; send texts")
TEXTS = _messages(Kinds("type", {**_USER_PARTS.kinds, "image_url": _UNSEEN, "file": _UNSEEN}))
"""Messages that hold nothing but what detectors read."""


_TOOLS = Items(
    Kinds(
        "type",
        {
            "function": kind(
                "function",
                function=with_fields(
                    "name",
                    name=FUNCTION_NAME,
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
_TOOL_CHOICE = Either(
    Word(("none", "auto", "required")),
    Kinds(
        "type",
        {
            "function": kind("function", function=with_fields("name", name=CHOSEN)),
            "allowed_tools": Refused("send only the tools that the model may call"),
            "custom": _CUSTOM_TOOL,
        },
    ),
)
_JSON_SCHEMA = with_fields(
    "name", name=FUNCTION_NAME, description=Text(), schema=FreeJson(), strict=Flag()
)
_RESPONSE_FORMAT = Kinds(
    "type",
    {
        "text": kind("text"),
        "json_object": kind("json_object"),
        "json_schema": kind("json_schema", json_schema=_JSON_SCHEMA),
    },
)
_STOP = Text(max_chars=256, pattern=re.compile(r"(?s).+"), form="text, 1 to 256 characters")
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
        "max_tokens": Number(1, MAX_INT, is_whole=True),
        "max_completion_tokens": Number(1, MAX_INT, is_whole=True),
        "stop": Either(_STOP, Items(_STOP, most=4)),
        "seed": Number(-MAX_INT - 1, MAX_INT, is_whole=True),
        "presence_penalty": Number(-2, 2),
        "frequency_penalty": Number(-2, 2),
        "user": Opaque("names the end user; kept under a key, never sent to a model"),
        "banneton": BANNETON,
        "n": Number(1, MAX_CHOICES, is_whole=True),
        "logprobs": Flag(),
        "store": Only(value=False, reason="what is kept is the policy's to say"),
        "modalities": Items(Word(("text", "image"))),
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
        "reasoning_effort": Word(tuple(each.value for each in Effort)),
        "safety_identifier": Refused("name the end user in 'user'"),
        "service_tier": Refused("the tier of service is the route's to say"),
        "top_logprobs": Only(0, ALTERNATIVES),
        "verbosity": Refused("how a persona speaks is its voice's to say"),
        "web_search_options": Refused("what a persona may look up is its tools' to say"),
    },
    frozenset({"messages", "model"}),
    extensions=frozenset({"banneton"}),
)

_USAGE = Object(
    {
        "completion_tokens": COUNT,
        "prompt_tokens": COUNT,
        "total_tokens": COUNT,
        "completion_tokens_details": Object(
            {
                "reasoning_tokens": COUNT,
                "accepted_prediction_tokens": UNASKED,
                "audio_tokens": UNASKED,
                "rejected_prediction_tokens": UNASKED,
                "text_tokens": UNASKED,
            }
        ),
        "prompt_tokens_details": Object(
            {
                "cached_tokens": COUNT,
                "audio_tokens": UNASKED,
                "cache_write_tokens": COUNT,
                "image_tokens": UNASKED,
                "text_tokens": UNASKED,
            }
        ),
    }
)
_LOGPROBS = Object(
    {
        "content": Items(TOKEN),
        "refusal": Refused("what a model refuses in is given without"),
    }
)
_FINISH = Word(("stop", "length", "tool_calls", "content_filter"))
_OWN_ID = Id(re.compile(r"chatcmpl-.{1,200}"), "made here")
_CITATION = Object({"url": Text(), "title": Text(), "start_index": COUNT, "end_index": COUNT})
_IMAGES = Items(
    with_fields(
        "type",
        "image_url",
        type=Word(("image_url",)),
        image_url=with_fields("url", url=DRAWN),
    )
)
_ANNOTATIONS = Items(Object({"type": Word(("url_citation",)), "url_citation": _CITATION}))


def _envelope(name: str, choice: Shape, extra: Mapping[str, Shape]) -> Object:
    """What an answer and a chunk have in common."""
    return Object(
        {
            "id": _OWN_ID,
            "object": Word((name,)),
            "created": COUNT,
            "model": MODEL,
            "choices": Items(choice),
            "usage": _USAGE,
            "banneton": SUMMARY,
            "moderation": UNASKED,
            "service_tier": UNASKED,
            "system_fingerprint": UNASKED,
        }
        | dict(extra),
        frozenset({"id", "object", "created", "model", "choices"}),
        extensions=frozenset({"banneton"}),
    )


ANSWER = _envelope(
    "chat.completion",
    Object(
        {
            "index": COUNT,
            "finish_reason": _FINISH,
            "logprobs": _LOGPROBS,
            "message": Object(
                {
                    "role": Word(("assistant",)),
                    "content": Text(),
                    "refusal": Text(),
                    "reasoning_content": Text(),
                    "annotations": _ANNOTATIONS,
                    "images": _IMAGES,
                    "tool_calls": Items(Kinds("type", {"function": _TOOL_CALL, "custom": UNASKED})),
                    "audio": UNASKED,
                    "function_call": UNASKED,
                },
                frozenset({"role"}),
                extensions=frozenset({"reasoning_content", "images"}),
            ),
        },
        frozenset({"index", "finish_reason", "message"}),
    ),
    {"metadata": UNASKED},
)

CHUNK = _envelope(
    "chat.completion.chunk",
    Object(
        {
            "index": COUNT,
            "finish_reason": _FINISH,
            "logprobs": _LOGPROBS,
            "delta": Object(
                {
                    "role": Word(("assistant",)),
                    "content": Text(),
                    "refusal": Text(),
                    "reasoning_content": Text(),
                    "annotations": _ANNOTATIONS,
                    "images": _IMAGES,
                    "tool_calls": Items(
                        Object(
                            {
                                "index": COUNT,
                                "id": CALL_ID,
                                "type": Word(("function",)),
                                "function": Object({"name": FUNCTION_NAME, "arguments": Text()}),
                                "extra_content": _SIGNED_CALL,
                            },
                            frozenset({"index"}),
                            extensions=frozenset({"extra_content"}),
                        )
                    ),
                    "audio": UNASKED,
                    "function_call": UNASKED,
                },
                extensions=frozenset({"reasoning_content", "annotations", "images"}),
            ),
        },
        frozenset({"index", "delta"}),
    ),
    {"obfuscation": UNASKED},
)
