"""A model that plays the user of a case, until it has what it wants or has lost patience."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from app.catalog.conversation_case import SimulatedUser
from app.domain.conversation import Json, Role
from app.domain.errors import DetectorError
from app.domain.persona import FileModel
from app.domain.protocols import Outside, Question
from app.evals.results import Ended
from app.evals.transcript import Turn

_BEGIN = "(The assistant waits for you to begin.)"
_NOTHING = "(The assistant said nothing.)"
_MAX_TOKENS = 400


class _Said(FileModel):
    state: Literal["going_on", "reached", "given_up"]
    says: Annotated[str, Field(max_length=8_000)]


_SCHEMA: dict[str, Json] = {
    "type": "object",
    "properties": {
        "state": {"type": "string", "enum": ["going_on", "reached", "given_up"]},
        "says": {"type": "string"},
    },
    "required": ["state", "says"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Says:
    """What the user says next."""

    text: str


async def next_words(user: SimulatedUser, turns: Sequence[Turn], outside: Outside) -> Says | Ended:
    """What the user says after these turns, or why it says nothing more.

    Raises:
        BackendError: The model that plays it failed.
        DetectorError: Its answer cannot be read.
    """
    if not turns and user.opening:
        return Says(user.opening)
    if len(turns) >= user.patience:
        return Ended.PATIENCE
    told: list[tuple[Role, str]] = [
        (Role.SYSTEM, _prompt().substitute(description=user.description, goal=user.goal)),
        (Role.USER, _BEGIN),
    ]
    for turn in turns:
        earlier = _Said(state="going_on", says=turn.user).model_dump_json()
        told += [(Role.ASSISTANT, earlier), (Role.USER, turn.answer or _NOTHING)]
    question = Question(tuple(told), _SCHEMA, _MAX_TOKENS)
    said = await outside.complete(user.route, question, _read)
    match said.state:
        case "going_on":
            return Says(said.says)
        case "reached":
            return Ended.REACHED
        case "given_up":
            return Ended.GIVEN_UP


@cache
def _prompt() -> Template:
    """Values are put in at once and not looked at for placeholders; no model's words go in."""
    return Template(Path(__file__).with_name("simulated_user.md").read_text("utf-8"))


def _read(answer: str) -> _Said:
    try:
        said = _Said.model_validate_json(answer.strip(), strict=True)
    except ValidationError:
        raise DetectorError("the simulated user did not answer as it was asked to") from None
    if said.state == "going_on" and not said.says.strip():
        raise DetectorError("the simulated user went on and said nothing")
    return said
