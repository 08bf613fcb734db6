"""``POST /v1/chat/completions``."""

from functools import partial

from app.api.delivery import deliver
from app.api.openai_chat import DIALECT, conversation, requested
from app.api.openai_chat_answer import ChatStream, ChatWhole
from app.api.transport import Call


async def complete(call: Call) -> None:
    """Run one exchange in the dialect of Chat Completions."""
    caller = await call.authenticate()
    body = await call.json_object()
    gateway = call.parts.gateway
    persona = gateway.persona(requested(body).persona, caller)
    asked = await call.made(partial(conversation, body, persona))
    created = int(call.parts.clock.now().timestamp())
    encoder = (
        ChatStream(created, wants_usage=asked.wants_usage)
        if asked.is_stream
        else ChatWhole(created)
    )
    await deliver(call, gateway.exchange(asked, caller, dialect=DIALECT), encoder)
