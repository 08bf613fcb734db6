"""Every field of a request to OpenAI's Responses, and how policy treats it: the parser's walk."""

import re
from collections.abc import Iterable

from app.api.compound import Either, Items, Kinds, Object
from app.api.fields import (
    ALTERNATIVES,
    BANNETON,
    CALL_ID,
    CHOSEN,
    FUNCTION_NAME,
    MAX_INT,
    MODEL,
    SIGNED,
    kind,
    with_fields,
)
from app.api.media_fields import DETAIL, FILE_ID, FILE_NAME, DataUrl, Link, LinkOrData
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
from app.domain.conversation import Effort

LOGPROBS = "message.output_text.logprobs"
"""Asks for tokens, and how likely each of them was."""
_CACHE = Refused("how prompts are cached is the route's to say")
_HOSTED = Refused("only tools of type 'function' are guarded so far")
_HISTORY = "comes with answers and back in histories; never sent to a model"
_ITEM_ID = Opaque(_HISTORY)
STATUS = Word(("in_progress", "completed", "incomplete"))
_PHASE = Word(("commentary", "final_answer"))
_SUBJECT = Opaque("names the end user; kept under a key, never sent to a model")


def refused(words: Iterable[str], how: Refused) -> dict[str, Object | Refused]:
    """These kinds, all refused alike."""
    return dict.fromkeys(words, how)


def part(word: str, **fields: Shape) -> Object:
    """A part of a message, whose text stands in the first of the fields."""
    return Object({"type": Word((word,))} | fields, frozenset({"type", next(iter(fields))}))


_INPUT_TEXT = part("input_text", text=Text(), prompt_cache_breakpoint=_CACHE)
_MEDIA: dict[str, Object | Refused] = {
    "input_image": with_fields(
        "type",
        "image_url",
        type=Word(("input_image",)),
        image_url=LinkOrData(),
        detail=DETAIL,
        file_id=FILE_ID,
        prompt_cache_breakpoint=_CACHE,
    ),
    "input_file": with_fields(
        "type",
        type=Word(("input_file",)),
        file_data=DataUrl(),
        file_url=Link(),
        filename=FILE_NAME,
        detail=Refused("how closely a file is read is the provider's to say"),
        file_id=FILE_ID,
        prompt_cache_breakpoint=_CACHE,
    ),
}
_MESSAGE = with_fields(
    "role",
    "content",
    type=Word(("message",)),
    role=Word(("user", "assistant", "system", "developer")),
    content=Either(
        Text(),
        Items(
            Kinds(
                "type",
                {
                    "input_text": _INPUT_TEXT,
                    "output_text": part(
                        "output_text",
                        text=Text(),
                        annotations=Opaque(_HISTORY, max_chars=None),
                        logprobs=Opaque(_HISTORY, max_chars=None),
                    ),
                    "refusal": part("refusal", refusal=Text()),
                    **_MEDIA,
                },
            ),
            least=1,
        ),
    ),
    id=_ITEM_ID,
    status=STATUS,
    phase=_PHASE,
)
_CALLER = Refused("no program calls tools here")
_NAMESPACE = Refused("tools have no namespaces here")
_FUNCTION_CALL = with_fields(
    "type",
    "call_id",
    "name",
    "arguments",
    type=Word(("function_call",)),
    call_id=CALL_ID,
    name=FUNCTION_NAME,
    arguments=Text(),
    id=_ITEM_ID,
    status=STATUS,
    caller=_CALLER,
    namespace=_NAMESPACE,
    **{"async": Only(value=False, reason="calls are answered before the next turn")},
)
_FUNCTION_OUTPUT = with_fields(
    "type",
    "call_id",
    "output",
    type=Word(("function_call_output",)),
    call_id=CALL_ID,
    output=Either(Text(), Items(Kinds("type", {"input_text": _INPUT_TEXT, **_MEDIA}), least=1)),
    id=_ITEM_ID,
    status=STATUS,
    caller=_CALLER,
    name=Refused("the call says which tool it was"),
    namespace=_NAMESPACE,
)
_REASONING = with_fields(
    "type",
    type=Word(("reasoning",)),
    summary=Items(part("summary_text", text=Text())),
    content=Items(part("reasoning_text", text=Text())),
    encrypted_content=SIGNED,
    id=_ITEM_ID,
    status=STATUS,
)
HOSTED_ITEMS = (
    "file_search_call",
    "computer_call",
    "computer_call_output",
    "web_search_call",
    "tool_search_call",
    "tool_search_output",
    "additional_tools",
    "image_generation_call",
    "code_interpreter_call",
    "local_shell_call",
    "local_shell_call_output",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "mcp_list_tools",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "custom_tool_call",
    "custom_tool_call_output",
    "program",
    "program_output",
)
"""What hosted tools leave in a history; answers may have these, too."""
_COMPACTION = Refused("histories are not made shorter here; send the items that count")

ITEMS = Items(
    Kinds(
        "type",
        {
            "message": _MESSAGE,
            "function_call": _FUNCTION_CALL,
            "function_call_output": _FUNCTION_OUTPUT,
            "reasoning": _REASONING,
            **refused((word for word in HOSTED_ITEMS if word != "image_generation_call"), _HOSTED),
            "image_generation_call": Refused(
                "show an earlier picture as input_image in a message of the user"
            ),
            "item_reference": Refused("send the item itself, or 'previous_response_id'"),
            "configuration_update": Refused("say it in the fields of the request"),
            "compaction": _COMPACTION,
            "compaction_trigger": _COMPACTION,
        },
        default="message",
    ),
    least=1,
)

_TOOLS = Items(
    Kinds(
        "type",
        {
            "function": with_fields(
                "type",
                "name",
                type=Word(("function",)),
                name=FUNCTION_NAME,
                description=Text(),
                parameters=FreeJson(),
                strict=Flag(),
                allowed_callers=_CALLER,
                defer_loading=Only(value=False, reason="all tools are sent to the model"),
                output_schema=Refused("no route uses it"),
                **{"async": Only(value=False, reason="calls are answered before the next turn")},
            ),
            "image_generation": Object(
                {
                    "type": Word(("image_generation",)),
                    "partial_images": Only(0, reason="a picture is shown when it is whole"),
                    "model": Refused("which model draws is the route's to say"),
                    "moderation": Refused("what is moderated is the policy's to say"),
                    "input_image_mask": Refused("use POST /v1/images/edits"),
                    **refused(
                        (
                            "action",
                            "background",
                            "complexity",
                            "frame_count",
                            "frame_duration_ms",
                            "input_fidelity",
                            "output_compression",
                            "output_format",
                            "quality",
                            "size",
                            "svg",
                        ),
                        Refused("say it in words, or use POST /v1/images/generations"),
                    ),
                },
                frozenset({"type"}),
            ),
            **refused(
                (
                    "file_search",
                    "computer",
                    "computer_use_preview",
                    "web_search",
                    "web_search_2025_08_26",
                    "web_search_preview",
                    "web_search_preview_2025_03_11",
                    "mcp",
                    "code_interpreter",
                    "programmatic_tool_calling",
                    "local_shell",
                    "shell",
                    "custom",
                    "namespace",
                    "tool_search",
                    "apply_patch",
                ),
                _HOSTED,
            ),
        },
    ),
    most=128,
)
_TOOL_CHOICE = Either(
    Word(("none", "auto", "required")),
    Kinds(
        "type",
        {
            "function": with_fields("type", "name", type=Word(("function",)), name=CHOSEN),
            "allowed_tools": Refused("send only the tools that the model may call"),
            **refused(
                (
                    "file_search",
                    "web_search_preview",
                    "computer",
                    "computer_use_preview",
                    "computer_use",
                    "web_search_preview_2025_03_11",
                    "image_generation",
                    "code_interpreter",
                    "mcp",
                    "custom",
                    "programmatic_tool_calling",
                    "apply_patch",
                    "shell",
                ),
                _HOSTED,
            ),
        },
    ),
)
_FORMAT = Kinds(
    "type",
    {
        "text": kind("text"),
        "json_object": kind("json_object"),
        "json_schema": with_fields(
            "type",
            "name",
            "schema",
            type=Word(("json_schema",)),
            name=FUNCTION_NAME,
            schema=FreeJson(),
            description=Text(),
            strict=Flag(),
        ),
    },
)
RESPONSE_ID = Id(re.compile(r"resp_[A-Za-z0-9_-]{1,80}"), "the id of a response")
_BACKGROUND = Refused("an answer comes while its client waits")
_VERBOSITY = Refused("how a persona speaks is its voice's to say")
REQUEST = Object(
    {
        "input": Either(Text(), ITEMS),
        "model": MODEL,
        "instructions": Text(),
        "stream": Flag(),
        "stream_options": Object(
            {
                "include_obfuscation": Only(
                    value=False, reason="events are not padded, so do not rely on it"
                )
            }
        ),
        "tools": _TOOLS,
        "tool_choice": _TOOL_CHOICE,
        "parallel_tool_calls": Flag(),
        "text": Object({"format": _FORMAT, "verbosity": _VERBOSITY}),
        "reasoning": Object(
            {
                "effort": Word(tuple(each.value for each in Effort)),
                "summary": Word(("auto",)),
                "generate_summary": Refused("use 'summary'"),
                "context": Refused("which reasoning is seen again is the items' to say"),
                "mode": Refused("how a model runs is the route's to say"),
            }
        ),
        "include": Items(Word(("reasoning.encrypted_content", LOGPROBS))),
        "temperature": Number(0, 2),
        "top_p": Number(0, 1),
        "max_output_tokens": Number(1, MAX_INT, is_whole=True),
        "truncation": Word(("disabled",)),
        "previous_response_id": RESPONSE_ID,
        "store": Flag(),
        "user": _SUBJECT,
        "safety_identifier": _SUBJECT,
        "prompt_cache_key": Opaque("a hint that changes no answer; nothing here uses it"),
        "banneton": BANNETON,
        "background": Only(value=False, reason=_BACKGROUND.reason),
        "background_options": _BACKGROUND,
        "access_programs": Refused("what a key may do is said where keys are made"),
        "context_management": _COMPACTION,
        "conversation": Refused(
            "conversations are not kept as such: use 'previous_response_id', or send the items"
        ),
        "image": Refused("how pictures are prepared is the provider's to say"),
        "max_tool_calls": Refused("counts hosted tools, and there are none"),
        "metadata": Refused(
            "nothing keeps it: name the end user in 'user' and the conversation in "
            "'banneton.session'"
        ),
        "moderation": Refused("what is moderated is the policy's to say"),
        "prompt": Refused("the prompt is the persona's"),
        "prompt_cache_options": _CACHE,
        "prompt_cache_retention": _CACHE,
        "service_tier": Refused("the tier of service is the route's to say"),
        "top_logprobs": Only(0, ALTERNATIVES),
    },
    frozenset({"input", "model"}),
    extensions=frozenset({"banneton"}),
)
