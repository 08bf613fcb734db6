"""The coverage law: for each wire format, every field and how policy treats it.

A field that does not stand here does not get in. A test compares the tables with the types of the
vendors' own packages and fails when a vendor gains or loses a field.
"""

from collections.abc import Mapping

from app.api import openai_chat_fields
from app.api.shapes import Row, Shape
from app.domain.conversation import Json

TABLES: Mapping[str, Mapping[str, Shape]] = {
    "openai_chat": {
        "request": openai_chat_fields.REQUEST,
        "answer": openai_chat_fields.ANSWER,
        "stream": openai_chat_fields.CHUNK,
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
