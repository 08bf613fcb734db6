"""The FastAPI app: which route is answered by what.

Routes are plain ASGI endpoints rather than FastAPI's own, which would cost the hot path twice as
much; their documentation is made from the shapes that read their bodies. A request for a path
without parameters goes to its endpoint straight away; all others go through the framework.
"""

from functools import partial
from http import HTTPStatus

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from app.api import (
    anthropic_messages_answer_fields,
    anthropic_messages_fields,
    docs,
    feedback,
    guard,
    health,
    openai_chat_fields,
    openai_embeddings_fields,
    openai_images_fields,
    openai_moderations_fields,
    openai_responses_events,
    openai_responses_fields,
    records,
)
from app.api.anthropic_messages import AnthropicMessages, count_tokens
from app.api.dialect import converse
from app.api.errors import anthropic_error, failure, openai_error
from app.api.forms import form_or_json
from app.api.openai_chat import OpenAIChat
from app.api.openai_embeddings import OpenAIEmbeddings
from app.api.openai_images import OpenAIImageEdits, OpenAIImages
from app.api.openai_moderations import moderate
from app.api.openai_responses import OpenAIResponses
from app.api.openai_responses_kept import delete_response, list_input_items, read_response
from app.api.openapi import Served, document
from app.api.transport import Endpoint, Limits, Parts
from app.domain.clock import Clock, NewId
from app.domain.conversation import Json
from app.domain.errors import RequestError
from app.pipeline.gateway import Gateway

OPENAI_CHAT = OpenAIChat()
ANTHROPIC_MESSAGES = AnthropicMessages()
OPENAI_RESPONSES = OpenAIResponses()
OPENAI_EMBEDDINGS = OpenAIEmbeddings()
OPENAI_IMAGES = OpenAIImages()
OPENAI_IMAGE_EDITS = OpenAIImageEdits()

SERVED = (
    Served(
        "POST",
        "/v1/chat/completions",
        partial(converse, OPENAI_CHAT),
        "A chat completion, or a stream of its chunks where `stream` is true.",
        openai_chat_fields.REQUEST,
        {
            "application/json": openai_chat_fields.ANSWER,
            "text/event-stream": openai_chat_fields.CHUNK,
        },
    ),
    Served(
        "POST",
        "/v1/messages",
        partial(converse, ANTHROPIC_MESSAGES),
        "A message, or a stream of its events where `stream` is true.",
        anthropic_messages_fields.REQUEST,
        {
            "application/json": anthropic_messages_answer_fields.ANSWER,
            "text/event-stream": anthropic_messages_answer_fields.EVENT,
        },
        ANTHROPIC_MESSAGES.error_body,
    ),
    Served(
        "POST",
        "/v1/messages/count_tokens",
        count_tokens,
        "About how many tokens a request is, by an estimate; no model is called.",
        anthropic_messages_fields.COUNT,
        {"application/json": anthropic_messages_answer_fields.COUNTED},
        anthropic_error,
    ),
    Served(
        "POST",
        "/v1/responses",
        partial(converse, OPENAI_RESPONSES),
        "A response, or a stream of its events where `stream` is true.",
        openai_responses_fields.REQUEST,
        {
            "application/json": openai_responses_events.ANSWER,
            "text/event-stream": openai_responses_events.EVENT,
        },
    ),
    Served(
        "GET",
        "/v1/responses/{response_id}",
        read_response,
        "A response that was kept, where policy keeps content.",
        answers={"application/json": openai_responses_events.ANSWER},
    ),
    Served(
        "DELETE",
        "/v1/responses/{response_id}",
        delete_response,
        "What was kept of a response is destroyed; its record stays.",
    ),
    Served(
        "GET",
        "/v1/responses/{response_id}/input_items",
        list_input_items,
        "A page of the items that a kept response answers, the newest first.",
    ),
    Served(
        "POST",
        "/v1/embeddings",
        partial(converse, OPENAI_EMBEDDINGS),
        "One vector for each text, where the persona names a route for them.",
        openai_embeddings_fields.REQUEST,
        {"application/json": openai_embeddings_fields.ANSWER},
    ),
    Served(
        "POST",
        "/v1/images/generations",
        partial(converse, OPENAI_IMAGES),
        "Pictures of a text, where the persona names a route for them and policy lets them out.",
        openai_images_fields.GENERATE,
        {"application/json": openai_images_fields.ANSWER},
    ),
    Served(
        "POST",
        "/v1/images/edits",
        partial(
            converse,
            OPENAI_IMAGE_EDITS,
            read=partial(form_or_json, openai_images_fields.EDIT),
        ),
        "Pictures changed as a text says; as JSON, or as a form whose pictures are files.",
        openai_images_fields.EDIT,
        {"application/json": openai_images_fields.ANSWER},
    ),
    Served(
        "POST",
        "/v1/moderations",
        moderate,
        "What a persona's policy says of texts, by OpenAI's categories; no model is called.",
        openai_moderations_fields.REQUEST,
        {"application/json": openai_moderations_fields.ANSWER},
    ),
    Served("GET", "/v1/models", health.list_models, "The personas that this key may use."),
    Served("GET", "/v1/models/{model}", health.read_model, "One persona, or one variant of it."),
    Served(
        "POST",
        "/v1/guardrails/check",
        guard.check,
        "What a policy says about a text or messages; no model is called.",
        guard.CHECK,
        {"application/json": guard.CHECKED},
    ),
    Served(
        "POST",
        "/v1/prompts/render",
        guard.render,
        "A persona's system prompt, and for each of its lines where it came from.",
        guard.RENDER,
        {"application/json": guard.RENDERED},
    ),
    Served(
        "POST",
        "/v1/feedback",
        feedback.give,
        "What somebody says of an answer or a session, and what they allow; or an appeal.",
        feedback.FEEDBACK,
        {"application/json": feedback.KEPT},
    ),
    Served(
        "GET",
        "/v1/records",
        records.list_records,
        "A page of records, newest first: of this key's tenant and personas. `persona`, `variant`, "
        "`audience`, `catalog`, `outcome`, `status`, `rule` (that was applied), `detector` (that "
        "found something), `session`, `subject`, `request_id`, `shadow_of`, `since`, `until`, "
        "`limit` (50, at most 1000) and `cursor` (the `next` of the page before) choose them. A "
        "page looks through 20,000 records at most, so that it may hold few or none while `next` "
        "says that there are more.",
    ),
    Served(
        "GET",
        "/v1/records/metrics",
        records.measure,
        "Product metrics of live traffic with their intervals, and when they changed.",
    ),
    Served("GET", "/v1/records/{request_id}", records.read_record, "One record."),
    Served(
        "GET",
        "/v1/coverage",
        health.show_coverage,
        "For each wire format, every field and how policy treats it.",
    ),
    Served("GET", "/healthz", health.alive, "The process answers."),
    Served("GET", "/readyz", health.ready, "Ready or degraded; 503 where it is neither."),
    Served("GET", "/metrics", health.metrics, "Prometheus text.", answers={"text/plain": None}),
)
"""Every endpoint. The framework tries routes in this order."""


class Api(FastAPI):
    """FastAPI, with documentation of plain routes and a short way to them."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(
            title="Banneton",
            version=parts.version,
            docs_url=None,  # FastAPI's page loads its scripts from another host
            redoc_url=None,
            redirect_slashes=False,
        )
        endpoints = [(one, Endpoint(one.path, one.handle, parts, one.error_body)) for one in SERVED]
        self.router.routes[:0] = [
            Route(one.path, endpoint, methods=[one.method]) for one, endpoint in endpoints
        ]
        self.router.routes.append(Route("/docs", self._docs))
        self._by_path: dict[tuple[str, str], ASGIApp] = {
            (one.method, one.path): endpoint for one, endpoint in endpoints if "{" not in one.path
        }

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            endpoint = self._by_path.get((scope["method"], scope["path"]))
            if endpoint is not None:
                await endpoint(scope, receive, send)
                return
        await super().__call__(scope, receive, send)

    async def _docs(self, _: Request) -> Response:
        return HTMLResponse(docs.page(self.openapi()), headers=dict(docs.HEADERS))

    @override
    def openapi(self) -> dict[str, Json]:
        return document(SERVED, self.version)


def create_api(
    gateway: Gateway, *, clock: Clock, new_id: NewId, limits: Limits, version: str
) -> FastAPI:
    """The app that serves a gateway. Requests from other origins' web pages are not allowed."""
    parts = Parts(gateway, clock, new_id, limits, version)
    app = Api(parts)

    async def unrouted(_: Request, exc: Exception) -> Response:
        if isinstance(exc, HTTPException) and exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            error = RequestError(
                "This endpoint has another method; GET /openapi.json says which.",
                code="method_not_allowed",
            )
        else:
            error = RequestError(
                "There is no such endpoint; GET /openapi.json lists them.", code="not_found"
            )
        request_id = new_id()
        failed = failure(error, request_id)
        headers = {"x-request-id": request_id}
        return Response(
            openai_error(failed, request_id), failed.status, headers, "application/json"
        )

    app.add_exception_handler(HTTPException, unrouted)
    return app
