"""What operators and SDKs ask first: health, metrics, models, coverage."""

import orjson

from app.api import coverage
from app.api.transport import Call
from app.domain.conversation import Json
from app.domain.errors import RequestError
from app.domain.persona import Persona

_UNREADY = "unready"


async def alive(call: Call) -> None:
    """The process answers; says nothing of what it depends on."""
    await call.answer(orjson.dumps({"status": "ok", "version": call.parts.version}))


async def ready(call: Call) -> None:
    """Whether requests can be served: 200 when ready or degraded, 503 when not."""
    readiness = call.parts.gateway.readiness()
    made = {
        "state": readiness.state,
        "catalog": readiness.catalog,
        "problems": list(readiness.problems),
    }
    status = 503 if readiness.state == _UNREADY else 200
    await call.answer(orjson.dumps(made), status=status)


async def metrics(call: Call) -> None:
    """Prometheus text."""
    text = call.parts.gateway.metrics()
    await call.answer(text, content_type=b"text/plain; version=0.0.4; charset=utf-8")


async def list_models(call: Call) -> None:
    """The personas that this key may use."""
    caller = await call.authenticate()
    data = [_model(call, persona, persona.id) for persona in call.parts.gateway.personas(caller)]
    made: dict[str, Json] = {"object": "list", "data": data}
    if _is_anthropics(call):
        first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
        made = {"data": data, "has_more": False, "first_id": first, "last_id": last}
    await call.answer(orjson.dumps(made))


async def read_model(call: Call) -> None:
    """One persona, or one variant of it."""
    caller = await call.authenticate()
    name = call.path_params["model"]
    persona_id, _, variant = name.partition(":")
    persona = call.parts.gateway.persona(persona_id, caller)
    if variant and all(one.id != variant for one in persona.variants):
        raise RequestError(
            "model: there is no such variant of this persona; GET /v1/models lists personas",
            code="model_not_found",
            param="model",
        )
    await call.answer(orjson.dumps(_model(call, persona, name)))


def _is_anthropics(call: Call) -> bool:
    """Whether the client is one of Anthropic's: they all say which version they speak."""
    return call.header(b"anthropic-version") is not None


def _model(call: Call, persona: Persona, name: str) -> dict[str, Json]:
    about = {
        "name": persona.name,
        "description": persona.description,
        "variants": [variant.id for variant in persona.variants],
        "scenarios": sorted(persona.scenarios),
        "variables": sorted(persona.variables),
    }
    if _is_anthropics(call):
        return {
            "id": name,
            "type": "model",
            "display_name": persona.name,
            "created_at": "1970-01-01T00:00:00Z",  # as the vendor does where it does not know
            "lifecycle": "active",
            "banneton": about,
        }
    return {
        "id": name,
        "object": "model",
        "created": 0,  # SDKs require a number; a persona has a digest instead of a birthday
        "owned_by": persona.owner or "banneton",
        "banneton": about,
    }


async def show_coverage(call: Call) -> None:
    """The coverage table."""
    await call.authenticate()
    await call.answer(orjson.dumps(coverage.table()))
