"""One wire format on the client's side, and what all of them do alike."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NoReturn, Protocol

from app.api.compound import Object
from app.api.delivery import Encoder, deliver
from app.api.errors import ErrorBody
from app.api.fields import MODEL
from app.api.shapes import FreeJson, admit
from app.api.transport import Call
from app.domain.conversation import (
    Conversation,
    Json,
    Part,
    PersonaWishes,
    TextPart,
    ToolResultPart,
)
from app.domain.errors import RequestError
from app.domain.persona import Persona

Body = Mapping[str, Json]


class Dialect(Protocol):
    """A wire format in which one can hold a conversation."""

    @property
    def error_body(self) -> ErrorBody:
        """Writes its errors."""
        ...

    def conversation(self, body: Body, persona: Persona) -> Conversation:
        """The request in the one dialect that is spoken inside.

        Raises:
            FieldRefusedError: A field that the coverage table does not let through.
            RequestError: A value that its field cannot hold, or that another field contradicts.
        """
        ...

    def encoder(self, asked: Conversation, created: int) -> Encoder:
        """What writes the answer; ``created`` is in seconds since 1970."""
        ...


async def converse(
    dialect: Dialect, call: Call, read: Callable[[Call], Awaitable[Body]] = Call.json_object
) -> None:
    """Run one exchange; ``read`` gives the body of the request."""
    caller = await call.authenticate()
    body = await read(call)
    gateway = call.parts.gateway
    persona = gateway.persona(requested(body).persona, caller)
    asked = await call.made(partial(dialect.conversation, body, persona))
    encoder = dialect.encoder(asked, int(call.parts.clock.now().timestamp()))
    await deliver(call, gateway.exchange(asked, caller), encoder)


@dataclass(frozen=True, slots=True)
class Requested:
    """What ``model`` names."""

    persona: str
    variant: str | None = None


def requested(body: Body) -> Requested:
    """The persona and variant that a body asks for.

    Raises:
        RequestError: It names none.
    """
    model = body.get("model")
    if model is None:
        raise RequestError("model: is required; it names a persona", param="model")
    admit(MODEL, model, "model")
    persona, _, variant = model.partition(":")
    return Requested(persona, variant or None)


def admitted(table: Object, body: Body, persona: Persona) -> tuple[Body, Body]:
    """The fields that the table knows, and those that the persona lets pass though it does not.

    Only at the top: a field inside a known one has no other place to go.

    Raises:
        FieldRefusedError: A field that the table does not let through.
        RequestError: A value that its field cannot hold.
    """
    known, passthrough = body, {}
    if persona.passthrough == "allow":
        passthrough = {key: value for key, value in body.items() if key not in table.fields}
        admit(FreeJson(), passthrough)
        known = {key: value for key, value in body.items() if key in table.fields}
    admit(table, known)
    return known, passthrough


def wishes_of(known: Body) -> PersonaWishes:
    """What stands under the ``banneton`` key."""
    wishes = known.get("banneton") or {}
    return PersonaWishes(
        audience=wishes.get("audience"),
        variables=wishes.get("variables") or {},
        session=wishes.get("session"),
        scenario=wishes.get("scenario"),
        consent=wishes.get("consent"),
    )


def results(
    call_id: str, said: Iterable[Part], path: str, *, is_error: bool = False
) -> Iterator[Part]:
    """What a tool answered to a call, which stands at ``path``: a text first, if an empty one."""
    has_begun = False
    for part in said:
        if isinstance(part, TextPart):
            yield ToolResultPart(call_id, part.text, part.path, is_error, part.cache)
        elif has_begun:
            yield part
        else:
            yield ToolResultPart(call_id, "", path, is_error)
            yield part
        has_begun = True
    if not has_begun:
        yield ToolResultPart(call_id, "", path, is_error)


def contradiction(path: str, what: str) -> NoReturn:
    """Refuse what one field says about another."""
    raise RequestError(f"{path}: {what}", param=path, code="invalid_value")
