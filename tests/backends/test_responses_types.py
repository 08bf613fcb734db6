"""All that the vendor's types say of an answer is read, left unread by name, or refused."""

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from openai.types import responses as vendor
from openai.types.responses.response import IncompleteDetails
from openai.types.responses.response_output_item import ResponseOutputItem
from openai.types.responses.response_output_text import Annotation
from pydantic import BaseModel

from app.backends import responses_tables as ours

HOSTED_TOOLS = (
    "code_interpreter_call",
    "code_interpreter_call_code",
    "custom_tool_call_input",
    "file_search_call",
    "mcp_call",
    "mcp_call_arguments",
    "mcp_list_tools",
    "shell_call_command",
    "shell_call_output_content",
    "web_search_call",
)
REFUSED_EVENTS = ("audio", "audio.transcript", "compaction", *HOSTED_TOOLS)
"""What they begin with after ``response.``: nothing here asks for what they tell of."""
REFUSED_ITEMS = {
    "additional_tools",
    "apply_patch_call",
    "apply_patch_call_output",
    "code_interpreter_call",
    "compaction",
    "computer_call",
    "computer_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "file_search_call",
    "function_call_output",
    "local_shell_call",
    "local_shell_call_output",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "mcp_list_tools",
    "program",
    "program_output",
    "shell_call",
    "shell_call_output",
    "tool_search_call",
    "tool_search_output",
    "web_search_call",
}
REFUSED_FIELDS = {
    "output_text": {"logprobs"},
    "function_call": {"async", "namespace"},
    "response.output_text.delta": {"logprobs"},
    "response.output_text.done": {"logprobs"},
}
RESPONSE_IN_NO_TYPE = {
    "output_text",
    "store",
    "billing",
    "presence_penalty",
    "frequency_penalty",
    "content_filters",
}
IN_NO_TYPE = {"response.function_call_arguments.done": {"obfuscation", "name"}}
REFUSED_REASONS = {"max_messages", "steered"}
"""Of an answer that is incomplete: nothing here limits messages, or steers."""
JUST_FAILED = {"server_error", "vector_store_timeout"}


def members(union: Any) -> Mapping[str, type[BaseModel]]:  # noqa: ANN401  # any type form
    """The classes of a union, by the word that tells them apart."""
    inner = get_args(union)[0] if get_origin(union) is not None else union
    found = {}
    for each in get_args(inner) or (inner,):
        (word,) = get_args(each.model_fields["type"].annotation)
        found[word] = each
    return found


def fields_of(model: type[BaseModel]) -> set[str]:
    """What its fields are called on the wire."""
    return {field.alias or name for name, field in model.model_fields.items()}


def words_of(annotation: Any) -> set[str]:  # noqa: ANN401  # any type form
    """All words of a literal, also of an optional one."""
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    return {word for inner in get_args(annotation) for word in words_of(inner)}


def test_every_event_is_read_or_refused() -> None:
    """An event that the vendor adds would stop answers, and nobody know before."""
    events = members(vendor.ResponseStreamEvent)
    unknown = events.keys() - ours.EVENTS.keys() - {"error"}
    # Pictures that are not ready come only where they are asked for.
    unknown -= {"response.image_generation_call.partial_image"}
    hosted = {f"response.{word}." for word in REFUSED_EVENTS}
    assert {word for word in unknown if word.rpartition(".")[0] + "." not in hosted} == set()
    assert {word.rpartition(".")[0] + "." for word in unknown} == hosted
    assert ours.EVENTS.keys() - events.keys() == {"keepalive"}
    for word, fields in ours.EVENTS.items():
        if word in events:
            known = fields - IN_NO_TYPE.get(word, {"obfuscation"})
            assert known | REFUSED_FIELDS.get(word, set()) == fields_of(events[word]), word


def test_every_item_is_read_or_refused() -> None:
    """The same for items and their fields."""
    items = members(ResponseOutputItem)
    assert items.keys() == ours.ITEMS.keys() | REFUSED_ITEMS
    assert not ours.ITEMS.keys() & REFUSED_ITEMS
    for word, fields in ours.ITEMS.items():
        assert fields | REFUSED_FIELDS.get(word, set()) == fields_of(items[word]), word


def test_every_part_is_read() -> None:
    """The same for parts and annotations."""
    parts: dict[str, type[BaseModel]] = {
        "output_text": vendor.ResponseOutputText,
        "refusal": vendor.ResponseOutputRefusal,
        "summary_text": vendor.response_reasoning_item.Summary,
        "reasoning_text": vendor.response_reasoning_item.Content,
    }
    assert parts.keys() == ours.PARTS.keys()
    for word, (_, fields) in ours.PARTS.items():
        assert fields | REFUSED_FIELDS.get(word, set()) == fields_of(parts[word]), word
    annotations = members(Annotation)
    assert annotations.keys() == ours.ANNOTATIONS.keys()
    for word, known in ours.ANNOTATIONS.items():
        assert known == fields_of(annotations[word]), word


def test_every_field_of_the_answer_is_known() -> None:
    """The same for the response, why it may be incomplete, and how it may have failed."""
    assert fields_of(vendor.Response) == ours.RESPONSE - RESPONSE_IN_NO_TYPE
    reasons = words_of(IncompleteDetails.model_fields["reason"].annotation)
    assert reasons == ours.INCOMPLETE.keys() | REFUSED_REASONS
    codes = words_of(vendor.ResponseError.model_fields["code"].annotation)
    assert codes <= ours.ERRORS.keys() | ours.FILTERED | JUST_FAILED
