"""All that a Responses answer may be made of: what is read, and what is left unread by name.

An event, item, part or field that is not named here is refused where it has a value: what a
provider says where nobody reads is said without any guard having looked at it.
"""

from types import MappingProxyType
from typing import Final

from app.domain.errors import BackendProblem
from app.domain.events import FinishReason

# Of every event; `obfuscation` pads it, so that nobody can tell its text by its length.
_ANY: Final = frozenset({"type", "sequence_number", "obfuscation"})
_ITEM: Final = _ANY | {"item", "output_index"}
_PLACE: Final = _ANY | {"item_id", "output_index"}
_IN_PART: Final = _PLACE | {"content_index"}
_IN_SUMMARY: Final = _PLACE | {"summary_index"}

EVENTS: Final = {
    "response.created": _ANY | {"response"},
    "response.queued": _ANY | {"response"},
    "response.in_progress": _ANY | {"response"},
    "response.completed": _ANY | {"response"},
    "response.incomplete": _ANY | {"response"},
    "response.failed": _ANY | {"response"},
    "response.output_item.added": _ITEM,
    "response.output_item.done": _ITEM,
    "response.content_part.added": _IN_PART | {"part"},
    "response.content_part.done": _IN_PART | {"part"},
    "response.output_text.delta": _IN_PART | {"delta"},
    "response.output_text.done": _IN_PART | {"text"},
    "response.output_text.annotation.added": _IN_PART | {"annotation", "annotation_index"},
    "response.refusal.delta": _IN_PART | {"delta"},
    "response.refusal.done": _IN_PART | {"refusal"},
    "response.function_call_arguments.delta": _PLACE | {"delta"},
    "response.function_call_arguments.done": _PLACE | {"arguments", "name"},
    "response.reasoning_summary_part.added": _IN_SUMMARY | {"part"},
    "response.reasoning_summary_part.done": _IN_SUMMARY | {"part", "status"},
    "response.reasoning_summary_text.delta": _IN_SUMMARY | {"delta"},
    "response.reasoning_summary_text.done": _IN_SUMMARY | {"text"},
    "response.reasoning_text.delta": _IN_PART | {"delta"},
    "response.reasoning_text.done": _IN_PART | {"text"},
    "response.image_generation_call.in_progress": _PLACE,
    "response.image_generation_call.generating": _PLACE,
    "response.image_generation_call.completed": _PLACE,
    "keepalive": _ANY,  # OpenAI, in no schema: so that nothing in between takes it for dead
}
# Which text of its item more comes of, and where the event says which of these. All other events
# but those of items and the last one are not read: what they say, an item's end says again.
DELTAS: Final = {
    "response.output_text.delta": ("output_text", "content_index"),
    "response.refusal.delta": ("refusal", "content_index"),
    "response.reasoning_summary_text.delta": ("summary_text", "summary_index"),
    "response.reasoning_text.delta": ("reasoning_text", "content_index"),
}
ITEMS: Final = {
    # `phase` tells commentary from the answer, which nobody else's answers do.
    "message": frozenset({"id", "type", "status", "role", "content", "phase"}),
    "function_call": frozenset({"id", "type", "status", "call_id", "name", "arguments", "caller"}),
    "reasoning": frozenset({"id", "type", "status", "summary", "content", "encrypted_content"}),
    # `revised_prompt` is what the provider made of the words of the request: it reaches nobody.
    "image_generation_call": frozenset(
        {"id", "type", "status", "result", "output_format", "revised_prompt", "error"}
        | {"action", "background", "quality", "size", "svg_usage"}
    ),
}
PARTS: Final = {
    "output_text": ("text", frozenset({"type", "text", "annotations"})),
    "refusal": ("refusal", frozenset({"type", "refusal"})),
    "summary_text": ("text", frozenset({"type", "text"})),
    "reasoning_text": ("text", frozenset({"type", "text"})),
}
PARTS_IN: Final = {
    ("message", "content"): frozenset({"output_text", "refusal"}),
    ("reasoning", "summary"): frozenset({"summary_text"}),
    ("reasoning", "content"): frozenset({"reasoning_text"}),
}
ANNOTATIONS: Final = {
    "url_citation": frozenset({"type", "url", "title", "start_index", "end_index"}),
    # Of files: without an address there is no place for them inside, so they are left out.
    "file_citation": frozenset({"type", "file_id", "filename", "index"}),
    "container_file_citation": frozenset(
        {"type", "container_id", "file_id", "filename", "start_index", "end_index"}
    ),
    "file_path": frozenset({"type", "file_id", "index"}),
}
# Of the answer as a whole. What is named here and not read repeats the request, counts, or is the
# provider's own word on how it went, but for `output_text`, which repeats the output.
RESPONSE: Final = frozenset(
    {"id", "object", "status", "output", "usage", "error", "incomplete_details", "output_text"}
    | {"created_at", "completed_at", "model", "service_tier", "tool_usage", "access_programs"}
    | {"instructions", "tools", "tool_choice", "parallel_tool_calls", "max_tool_calls", "text"}
    | {"temperature", "top_p", "top_logprobs", "max_output_tokens", "truncation", "reasoning"}
    | {"metadata", "previous_response_id", "conversation", "prompt", "background", "image", "user"}
    | {"prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "safety_identifier"}
    | {"prompt_cache_diagnostics", "input_transformations", "moderation"}
    | {"store", "billing", "presence_penalty", "frequency_penalty"}  # OpenAI, in no schema
    | {"content_filters"}  # Azure
)
STATUSES: Final = frozenset({"completed", "incomplete", "failed"})
INCOMPLETE: Final = {
    "max_output_tokens": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
}
# The provider's own policy stopped the answer, or would not have it begin.
FILTERED: Final = frozenset(
    {"content_filter", "bio_policy", "cyber_policy", "misalignment_policy_violation"}
    | {"content_policy_violation", "image_content_policy_violation"}
)
_LIMITED: Final = (BackendProblem.RATE_LIMITED, "limits the rate of requests")
_KEY: Final = (BackendProblem.UNAUTHORIZED, "refuses the gateway's key")
_ACCOUNT: Final = (BackendProblem.UNAUTHORIZED, "refuses the gateway's account")
_REQUEST: Final = (BackendProblem.REJECTED, "refuses the request")
_PICTURE: Final = (BackendProblem.REJECTED, "cannot use a picture of the request")
FAILED: Final = (BackendProblem.FAILED, "reported an error inside its answer")
ERRORS: Final = MappingProxyType(
    {
        "rate_limit_exceeded": _LIMITED,
        "rate_limit_error": _LIMITED,
        "too_many_requests": _LIMITED,
        "slow_down": _LIMITED,
        "server_is_overloaded": (BackendProblem.RATE_LIMITED, "is overloaded"),
        "invalid_api_key": _KEY,
        "authentication_error": _KEY,
        "permission_error": _KEY,
        "insufficient_quota": _ACCOUNT,
        "billing_hard_limit_reached": _ACCOUNT,
        "context_length_exceeded": (
            BackendProblem.REJECTED,
            "finds the conversation longer than its model can see",
        ),
        "model_not_found": (BackendProblem.REJECTED, "does not know the model"),
        "invalid_prompt": _REQUEST,
        "invalid_encrypted_content": (
            BackendProblem.REJECTED,
            "did not write the reasoning that it was given back",
        ),
        "data_residency_mismatch": _REQUEST,
        "invalid_request_error": _REQUEST,
        "invalid_image": _PICTURE,
        "invalid_image_format": _PICTURE,
        "invalid_base64_image": _PICTURE,
        "invalid_image_url": _PICTURE,
        "image_too_large": _PICTURE,
        "image_too_small": _PICTURE,
        "image_parse_error": _PICTURE,
        "invalid_image_mode": _PICTURE,
        "image_file_too_large": _PICTURE,
        "unsupported_image_media_type": _PICTURE,
        "empty_image_file": _PICTURE,
        "failed_to_download_image": _PICTURE,
        "image_file_not_found": _PICTURE,
    }
)
