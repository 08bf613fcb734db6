"""Every field of answers and events of Anthropic Messages, and how policy treats it.

``ANSWER``, ``EVENT`` and ``COUNTED`` say, for each field that a provider may send, what becomes of
it on its way to the client.
"""

import re

from app.api.anthropic_messages_fields import (
    INPUT,
    REDACTED,
    SERVER_BLOCKS,
    THINKING,
    TOOL_NAME,
    all_of,
)
from app.api.compound import Items, Kinds, Object
from app.api.fields import CALL_ID, MODEL, SIGNED, UNASKED, kind, with_fields
from app.api.shapes import Id, Shape, Text, Word
from app.api.summaries import COUNT, SUMMARY

COUNTED = with_fields("input_tokens", input_tokens=COUNT)

_OWN_ID = Id(re.compile(r"msg_.{1,200}"), "made here")
_CITATION = Kinds(
    "type",
    {
        "web_search_result_location": Object(
            {
                "type": Word(("web_search_result_location",)),
                "url": Text(),
                "title": Text(),
                "cited_text": Word(("",)),
                "encrypted_index": Word(("",)),
            }
        ),
        **all_of(
            ("char_location", "content_block_location", "page_location", "search_result_location"),
            UNASKED,
        ),
    },
)
_BLOCKS = Kinds(
    "type",
    {
        "text": kind("text", text=Text(), citations=Items(_CITATION)),
        "thinking": THINKING,
        "redacted_thinking": REDACTED,
        "tool_use": Object(
            {
                "type": Word(("tool_use",)),
                "id": CALL_ID,
                "name": TOOL_NAME,
                "input": INPUT,
                "caller": UNASKED,
                "toolset_name": UNASKED,
            },
            frozenset({"type", "id", "name", "input"}),
        ),
        **all_of(SERVER_BLOCKS, UNASKED),
    },
)
_STOP_REASON = Word(("end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"))
_STOPPED_BY = Text(form="one of the request's stop_sequences")
_STOP_DETAILS = Object(
    {"type": Word(("refusal",)), "category": UNASKED, "explanation": UNASKED}, frozenset({"type"})
)
_COUNTED = {
    "input_tokens": COUNT,
    "output_tokens": COUNT,
    "cache_read_input_tokens": COUNT,
    "cache_creation_input_tokens": COUNT,
    "output_tokens_details": Object({"thinking_tokens": COUNT}),
    "server_tool_use": UNASKED,
}
_USAGE = Object(
    _COUNTED
    | {
        "cache_creation": UNASKED,
        "inference_geo": UNASKED,
        "service_tier": UNASKED,
        "speed": UNASKED,
    },
    frozenset({"input_tokens", "output_tokens"}),
)
_WHOLE = {
    "id": _OWN_ID,
    "type": Word(("message",)),
    "role": Word(("assistant",)),
    "model": MODEL,
    "content": Items(_BLOCKS),
    "stop_reason": _STOP_REASON,
    "stop_sequence": _STOPPED_BY,
    "stop_details": _STOP_DETAILS,
    "usage": _USAGE,
    "container": UNASKED,
    "diagnostics": UNASKED,
}
_NEEDED = frozenset({"id", "type", "role", "model", "content", "usage"})
ANSWER = Object(
    _WHOLE | {"banneton": SUMMARY}, _NEEDED | {"stop_reason"}, extensions=frozenset({"banneton"})
)


def _event(name: str, **fields: Shape) -> Object:
    return with_fields("type", *fields, type=Word((name,)), **fields)


_DELTA = Kinds(
    "type",
    {
        "text_delta": _event("text_delta", text=Text()),
        "thinking_delta": _event("thinking_delta", thinking=Text()),
        "signature_delta": _event("signature_delta", signature=SIGNED),
        "input_json_delta": _event("input_json_delta", partial_json=Text()),
        "citations_delta": _event("citations_delta", citation=_CITATION),
    },
)
EVENT = Kinds(
    "type",
    {
        "message_start": _event("message_start", message=Object(_WHOLE, _NEEDED)),
        "content_block_start": _event("content_block_start", index=COUNT, content_block=_BLOCKS),
        "content_block_delta": _event("content_block_delta", index=COUNT, delta=_DELTA),
        "content_block_stop": _event("content_block_stop", index=COUNT),
        "message_delta": Object(
            {
                "type": Word(("message_delta",)),
                "delta": Object(
                    {
                        "stop_reason": _STOP_REASON,
                        "stop_sequence": _STOPPED_BY,
                        "stop_details": _STOP_DETAILS,
                        "container": UNASKED,
                    },
                    frozenset({"stop_reason"}),
                ),
                "usage": Object(_COUNTED, frozenset({"output_tokens"})),
                "banneton": SUMMARY,
            },
            frozenset({"type", "delta", "usage", "banneton"}),
            extensions=frozenset({"banneton"}),
        ),
        "message_stop": _event("message_stop"),
        "ping": _event("ping"),
    },
    extensions=frozenset({"ping"}),
)
