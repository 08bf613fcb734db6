"""The coverage law: for each wire format, every field and how policy treats it.

A field that does not stand here does not get in. A test compares the tables with the types of the
vendors' own packages and fails when a vendor gains or loses a field.
"""

from collections.abc import Mapping

from app.api import (
    anthropic_messages_answer_fields,
    anthropic_messages_fields,
    openai_chat_fields,
    openai_embeddings_fields,
    openai_images_fields,
    openai_moderations_fields,
    openai_responses_events,
    openai_responses_fields,
)
from app.api.shapes import Row, Shape
from app.domain.conversation import Json

TABLES: Mapping[str, Mapping[str, Shape]] = {
    "openai_chat": {
        "request": openai_chat_fields.REQUEST,
        "answer": openai_chat_fields.ANSWER,
        "stream": openai_chat_fields.CHUNK,
    },
    "anthropic_messages": {
        "request": anthropic_messages_fields.REQUEST,
        "answer": anthropic_messages_answer_fields.ANSWER,
        "stream": anthropic_messages_answer_fields.EVENT,
        "count_tokens": anthropic_messages_fields.COUNT,
    },
    "openai_embeddings": {
        "request": openai_embeddings_fields.REQUEST,
        "answer": openai_embeddings_fields.ANSWER,
    },
    "openai_images": {
        "request": openai_images_fields.GENERATE,
        "answer": openai_images_fields.ANSWER,
    },
    "openai_image_edits": {
        "request": openai_images_fields.EDIT,
        "answer": openai_images_fields.ANSWER,
    },
    "openai_moderations": {
        "request": openai_moderations_fields.REQUEST,
        "answer": openai_moderations_fields.ANSWER,
    },
    "openai_responses": {
        "request": openai_responses_fields.REQUEST,
        "answer": openai_responses_events.ANSWER,
        "stream": openai_responses_events.EVENT,
    },
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
