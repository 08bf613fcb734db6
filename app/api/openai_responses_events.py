"""What a provider may send of a Responses answer, and what becomes of it on its way to the client.

``ANSWER`` is the whole answer, ``EVENT`` an event of a stream.
"""

import re

from app.api.compound import Items, Kinds, Object
from app.api.fields import (
    CALL_ID,
    DRAWN,
    FUNCTION_NAME,
    MAX_INT,
    MODEL,
    SIGNED,
    TOKEN,
    TOKEN_IN_EVENT,
    UNASKED,
    with_fields,
)
from app.api.openai_responses_fields import HOSTED_ITEMS, RESPONSE_ID, STATUS, part, refused
from app.api.shapes import Flag, Id, Number, Only, Opaque, Refused, Shape, Text, Word
from app.api.summaries import COUNT, SUMMARY

_OWN_ID = Id(re.compile(r"(resp|msg|rs|fc|ig)_.{1,200}"), "made here")
_ANNOTATION = Kinds(
    "type",
    {
        "url_citation": with_fields(
            "type",
            "url",
            type=Word(("url_citation",)),
            url=Text(),
            title=Text(),
            start_index=COUNT,
            end_index=COUNT,
        ),
        **refused(("file_citation", "container_file_citation", "file_path"), UNASKED),
    },
)
_LOGPROBS = Items(TOKEN_IN_EVENT)
_OUTPUT_TEXT = part(
    "output_text", text=Text(), annotations=Items(_ANNOTATION), logprobs=Items(TOKEN)
)
_REFUSAL = part("refusal", refusal=Text())
_SUMMARY_TEXT = part("summary_text", text=Text())
_ITEM = Kinds(
    "type",
    {
        "message": with_fields(
            "type",
            "role",
            "content",
            type=Word(("message",)),
            role=Word(("assistant",)),
            content=Items(Kinds("type", {"output_text": _OUTPUT_TEXT, "refusal": _REFUSAL})),
            id=_OWN_ID,
            status=STATUS,
            phase=UNASKED,
        ),
        "function_call": with_fields(
            "type",
            "call_id",
            "name",
            "arguments",
            type=Word(("function_call",)),
            call_id=CALL_ID,
            name=FUNCTION_NAME,
            arguments=Text(),
            id=_OWN_ID,
            status=STATUS,
            caller=UNASKED,
            namespace=UNASKED,
            **{"async": UNASKED},
        ),
        "reasoning": with_fields(
            "type",
            "summary",
            type=Word(("reasoning",)),
            summary=Items(_SUMMARY_TEXT),
            encrypted_content=SIGNED,
            id=_OWN_ID,
            status=STATUS,
            content=UNASKED,
        ),
        "image_generation_call": with_fields(
            "type",
            "id",
            "status",
            type=Word(("image_generation_call",)),
            id=_OWN_ID,
            status=Word(("in_progress", "completed")),
            result=DRAWN,
            output_format=Word(("png", "jpeg", "webp", "gif")),
            action=UNASKED,
            background=UNASKED,
            error=UNASKED,
            quality=UNASKED,
            revised_prompt=UNASKED,
            size=UNASKED,
            svg_usage=UNASKED,
        ),
        "function_call_output": UNASKED,
        "compaction": UNASKED,
        **refused((word for word in HOSTED_ITEMS if word != "image_generation_call"), UNASKED),
    },
)
_USAGE = Object(
    {
        "input_tokens": COUNT,
        "output_tokens": COUNT,
        "total_tokens": COUNT,
        "input_tokens_details": Object(
            {
                "cached_tokens": COUNT,
                "cache_write_tokens": COUNT,
                "cache_write_tokens_details": UNASKED,
            }
        ),
        "output_tokens_details": Object({"reasoning_tokens": COUNT}),
    }
)
_LINE = Id(re.compile(r"(?s).{0,4000}"), "made here; quotes nothing")
_ERROR: dict[str, Shape] = {"code": _LINE, "message": _LINE, "param": _LINE}
_ECHO = Opaque("the request's own, given back as it came", max_chars=None)
_NOT_BACK = Refused("not given back")
ANSWER = Object(
    {
        "id": _OWN_ID,
        "object": Word(("response",)),
        "created_at": Number(0, MAX_INT),
        "status": Word(("in_progress", "completed", "incomplete", "failed")),
        "model": MODEL,
        "output": Items(_ITEM),
        "error": Object(
            {
                "code": Word(("server_error", "rate_limit_exceeded", "invalid_prompt")),
                "message": _LINE,
                "param": UNASKED,
                "type": UNASKED,
                "misalignment": UNASKED,
            }
        ),
        "incomplete_details": Object({"reason": Word(("max_output_tokens", "content_filter"))}),
        "usage": _USAGE,
        "previous_response_id": RESPONSE_ID,
        "parallel_tool_calls": Flag(),
        "tool_choice": _ECHO,
        "tools": _ECHO,
        "temperature": Number(0, 2),
        "top_p": Number(0, 1),
        "max_output_tokens": Number(1, MAX_INT, is_whole=True),
        "truncation": Word(("disabled",)),
        "background": Only(value=False, reason="an answer comes while its client waits"),
        "banneton": SUMMARY,
        "completed_at": _NOT_BACK,
        "instructions": _NOT_BACK,
        "metadata": _NOT_BACK,
        "prompt_cache_key": _NOT_BACK,
        "reasoning": _NOT_BACK,
        "safety_identifier": _NOT_BACK,
        "text": _NOT_BACK,
        "user": _NOT_BACK,
        "access_programs": UNASKED,
        "conversation": UNASKED,
        "image": UNASKED,
        "input_transformations": UNASKED,
        "max_tool_calls": UNASKED,
        "moderation": UNASKED,
        "prompt": UNASKED,
        "prompt_cache_diagnostics": UNASKED,
        "prompt_cache_options": UNASKED,
        "prompt_cache_retention": UNASKED,
        "service_tier": UNASKED,
        "tool_usage": UNASKED,
        "top_logprobs": UNASKED,
    },
    frozenset(
        {
            "id",
            "object",
            "created_at",
            "status",
            "model",
            "output",
            "parallel_tool_calls",
            "tool_choice",
            "tools",
        }
    ),
    extensions=frozenset({"banneton"}),
)


def _event(word: str, /, **fields: Shape) -> dict[str, Object | Refused]:
    """A kind of event, with its number."""
    numbered = {"type": Word((word,)), "sequence_number": COUNT} | fields
    asked = (key for key, shape in numbered.items() if not isinstance(shape, Refused))
    return {word: Object(numbered, frozenset(asked))}


def _of_item(word: str, /, **fields: Shape) -> dict[str, Object | Refused]:
    """A kind of event about an item of the output."""
    return _event(word, item_id=_OWN_ID, output_index=COUNT, **fields)


_PART = Kinds("type", {"output_text": _OUTPUT_TEXT, "refusal": _REFUSAL, "reasoning_text": UNASKED})
_HOSTED_EVENTS = (
    "audio.delta",
    "audio.done",
    "audio.transcript.delta",
    "audio.transcript.done",
    "code_interpreter_call_code.delta",
    "code_interpreter_call_code.done",
    "code_interpreter_call.completed",
    "code_interpreter_call.in_progress",
    "code_interpreter_call.interpreting",
    "compaction.compacting",
    "custom_tool_call_input.delta",
    "custom_tool_call_input.done",
    "file_search_call.completed",
    "file_search_call.in_progress",
    "file_search_call.searching",
    "image_generation_call.partial_image",
    "mcp_call_arguments.delta",
    "mcp_call_arguments.done",
    "mcp_call.completed",
    "mcp_call.failed",
    "mcp_call.in_progress",
    "mcp_list_tools.completed",
    "mcp_list_tools.failed",
    "mcp_list_tools.in_progress",
    "queued",
    "reasoning_text.delta",
    "reasoning_text.done",
    "shell_call_command.added",
    "shell_call_command.delta",
    "shell_call_command.done",
    "shell_call_output_content.delta",
    "shell_call_output_content.done",
    "web_search_call.completed",
    "web_search_call.in_progress",
    "web_search_call.searching",
)
EVENT = Kinds(
    "type",
    {
        **_event("response.created", response=ANSWER),
        **_event("response.in_progress", response=ANSWER),
        **_event("response.completed", response=ANSWER),
        **_event("response.incomplete", response=ANSWER),
        **_event("response.failed", response=ANSWER),
        **_event("response.output_item.added", output_index=COUNT, item=_ITEM),
        **_event("response.output_item.done", output_index=COUNT, item=_ITEM),
        **_of_item("response.content_part.added", content_index=COUNT, part=_PART),
        **_of_item("response.content_part.done", content_index=COUNT, part=_PART),
        **_of_item(
            "response.output_text.delta", content_index=COUNT, delta=Text(), logprobs=_LOGPROBS
        ),
        **_of_item(
            "response.output_text.done", content_index=COUNT, text=Text(), logprobs=_LOGPROBS
        ),
        **_of_item(
            "response.output_text.annotation.added",
            content_index=COUNT,
            annotation_index=COUNT,
            annotation=_ANNOTATION,
        ),
        **_of_item("response.refusal.delta", content_index=COUNT, delta=Text()),
        **_of_item("response.refusal.done", content_index=COUNT, refusal=Text()),
        **_of_item("response.function_call_arguments.delta", delta=Text()),
        **_of_item("response.function_call_arguments.done", arguments=Text()),
        **_of_item(
            "response.reasoning_summary_part.added", summary_index=COUNT, part=_SUMMARY_TEXT
        ),
        **_of_item(
            "response.reasoning_summary_part.done",
            summary_index=COUNT,
            part=_SUMMARY_TEXT,
            status=UNASKED,
        ),
        **_of_item("response.reasoning_summary_text.delta", summary_index=COUNT, delta=Text()),
        **_of_item("response.reasoning_summary_text.done", summary_index=COUNT, text=Text()),
        **_of_item("response.image_generation_call.in_progress"),
        **_of_item("response.image_generation_call.generating"),
        **_of_item("response.image_generation_call.completed"),
        "error": Object(
            {
                "type": Word(("error",)),
                "sequence_number": COUNT,
                **_ERROR,
                "error": Object(_ERROR | {"type": _LINE}),
            },
            frozenset({"type", "sequence_number", "code", "message"}),
            extensions=frozenset({"error"}),
        ),
        **refused((f"response.{word}" for word in _HOSTED_EVENTS), UNASKED),
    },
)
