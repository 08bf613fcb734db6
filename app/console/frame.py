"""From a request to a page: who is there, what they may see, and what goes wrong."""

import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.admission import Admission
from app.console.forms import read_form
from app.console.pages import PAGES
from app.console.rendering import LANGUAGES, Rendering
from app.console.session import COOKIE, CSRF_FIELD, CSRF_HEADER, Sessions
from app.console.sign_in import SignIn
from app.console.visit import Behind, Page, Visit
from app.console.visitor import language_of, own_path, refuse_foreign_origin, theme_of
from app.domain.errors import AccessError, BannetonError, RequestError
from app.domain.protocols import Caller

_log = logging.getLogger("banneton.console")

HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_FOREVER = "public, max-age=31536000, immutable"
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
_YEAR_S = 31_536_000
_OPEN = "open"
"""Stands for the session where nobody signs in."""


class Console:
    """The pages as an ASGI app."""

    def __init__(self, behind: Behind, admission: Admission, sessions: Sessions) -> None:
        """Put the pages together.

        Args:
            behind: What they are given.
            admission: Says whose key it is.
            sessions: Makes and reads sessions.
        """
        self._behind = behind
        self._admission = admission
        self._sessions = sessions
        self._rendering = Rendering()
        self._sign_in = SignIn(self._rendering, admission, sessions, behind.clock)
        routes = [
            Route("/console/static/{file:path}", self._file),
            Route("/console/sign-in", self._sign_in.answer, methods=["GET", "POST"]),
            Route("/console/sign-out", self._sign_out, methods=["POST"]),
            Route("/console/settings", self._settings, methods=["POST"]),
            *(Route(f"/console{page.path}", self._endpoint(page), methods=[page.method])
              for page in PAGES),
        ]  # fmt: skip
        self._app: ASGIApp = Starlette(
            routes=routes, exception_handlers={HTTPException: self._no_page}
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; every answer has the headers that keep pages to themselves."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, send_guarded)

    def _endpoint(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                visit = await self._visit(request, page)
                if isinstance(visit, Response):
                    return visit
                return await page.handle(visit)
            except Exception as exc:  # noqa: BLE001  # the edge: nobody sees a stack
                return self._failed(request, exc)

        return answer

    async def _visit(self, request: Request, page: Page) -> Visit | Response:
        """The visit, or where somebody goes who may not come in yet."""
        session = request.cookies.get(COOKIE, "")
        is_open = await self._admission.is_open()
        if is_open:
            _refuse_foreign_host(request)
            session = _OPEN
        caller = await self._caller(session, is_open=is_open)
        if caller is None:
            return _to_sign_in(request)
        form: dict[str, str] = {}
        if page.method != "GET":
            form = await self._checked_form(request, session)
        if not caller.may_use_console:
            raise RequestError(
                "This key may not use the console; make one that may: banneton keys create --name"
                " NAME --console",
                code="forbidden",
            )
        if not page.needs.is_met(caller):
            raise RequestError(
                "This key may not read records; make one that may: banneton keys create --name"
                " NAME --console --records",
                code="forbidden",
            )
        return self._made(request, caller, page.nav, session, is_open=is_open, form=form)

    def _made(
        self,
        request: Request,
        caller: Caller,
        nav: str | None,
        session: str,
        *,
        is_open: bool,
        form: dict[str, str],
    ) -> Visit:
        return Visit(
            request,
            caller,
            self._behind,
            self._rendering,
            language_of(request),
            theme_of(request),
            self._sessions.token(session),
            is_open,
            nav,
            frozenset(page.path for page in PAGES if page.needs.is_met(caller)),
            form,
        )

    async def _caller(self, session: str, *, is_open: bool) -> Caller | None:
        if is_open:
            return await self._admission.admit(None, None)
        key_hash = self._sessions.read(session, self._behind.clock.now())
        if key_hash is None:
            return None
        try:
            return await self._admission.authenticator.recognize(key_hash)
        except AccessError:
            return None

    async def _checked_form(self, request: Request, session: str) -> dict[str, str]:
        """The form, which a page of ours sent in this session.

        Raises:
            RequestError: Another site sent it, or the page is of another session.
        """
        refuse_foreign_origin(request)
        form = await read_form(request)
        token = request.headers.get(CSRF_HEADER) or form.pop(CSRF_FIELD, "")
        if not self._sessions.is_token(token, session):
            what = "The page is of an earlier session; load it again, then send the form again."
            raise RequestError(what, code="forbidden")
        form.pop(CSRF_FIELD, None)
        return form

    async def _settings(self, request: Request) -> Response:
        """Language and theme: kept in the browser alone."""
        try:
            refuse_foreign_origin(request)
            form = await read_form(request)
        except Exception as exc:  # noqa: BLE001  # the edge
            return self._failed(request, exc)
        answer = RedirectResponse(own_path(form.get("back", "")), HTTPStatus.SEE_OTHER)
        chosen = (("language", LANGUAGES), ("theme", ("light", "dark", "auto")))
        for name, known in chosen:
            if form.get(name) in known:
                answer.set_cookie(
                    f"banneton_{name}", form[name], _YEAR_S, path="/console", samesite="lax"
                )
        return answer

    async def _sign_out(self, request: Request) -> Response:
        try:
            await self._checked_form(request, request.cookies.get(COOKIE, ""))
        except Exception as exc:  # noqa: BLE001  # the edge
            return self._failed(request, exc)
        answer = RedirectResponse("/console/sign-in", HTTPStatus.SEE_OTHER)
        answer.delete_cookie(COOKIE, path="/console")
        return answer

    async def _file(self, request: Request) -> Response:
        file = self._rendering.files.get(request.path_params["file"])
        if file is None:
            return PlainTextResponse("There is no such file.", HTTPStatus.NOT_FOUND)
        headers = {"cache-control": _FOREVER, "vary": "accept-encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            return Response(file.packed, headers=headers, media_type=file.media_type)
        return Response(file.body, headers=headers, media_type=file.media_type)

    async def _no_page(self, request: Request, exc: Exception) -> Response:
        is_method = (
            isinstance(exc, HTTPException) and exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED
        )
        code = "method_not_allowed" if is_method else "not_found"
        return self._failed(request, RequestError("There is no such page.", code=code))

    def _failed(self, request: Request, exc: Exception) -> Response:
        """What somebody sees of an error: what is wrong and what to do, never where in the code."""
        status, said = _told(exc)
        if said is None:
            where = "".join(traceback.format_tb(exc.__traceback__))
            _log.error("%s at a page\n%s", type(exc).__name__, where)
        is_partial = request.headers.get("hx-request") == "true"
        template = "error_part.html.j2" if is_partial else "error.html.j2"
        values = {
            "said": said,
            "status": int(status),
            "theme": theme_of(request),
            "back": own_path(request.url.path),
        }
        html = self._rendering.html(template, language_of(request), values)
        return Response(html, status, media_type="text/html")


_STATUSES = {
    "forbidden": HTTPStatus.FORBIDDEN,
    "not_found": HTTPStatus.NOT_FOUND,
    "model_not_found": HTTPStatus.NOT_FOUND,
    "method_not_allowed": HTTPStatus.METHOD_NOT_ALLOWED,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}


def _told(exc: Exception) -> tuple[HTTPStatus, str | None]:
    """The status of an error and what is said of it; nothing where nobody raised it on purpose."""
    match exc:
        case RequestError():
            return _STATUSES.get(exc.code, HTTPStatus.BAD_REQUEST), exc.message
        case AccessError():
            return HTTPStatus.FORBIDDEN, exc.message
        case BannetonError():
            return HTTPStatus.BAD_GATEWAY, str(exc)
        case _:
            return HTTPStatus.INTERNAL_SERVER_ERROR, None


def _refuse_foreign_host(request: Request) -> None:
    """Without keys, only whoever sits at this machine: no page that a name leads here.

    Raises:
        RequestError: The page was asked for under another name.
    """
    host = request.headers.get("host", "")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    if name not in _LOCAL_HOSTS:
        what = "Without keys the console is open on this machine only: use http://127.0.0.1:PORT."
        raise RequestError(what, code="forbidden")


def _to_sign_in(request: Request) -> Response:
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    where = f"/console/sign-in?back={quote(back, safe='')}"
    if request.headers.get("hx-request") == "true":
        return Response("", HTTPStatus.UNAUTHORIZED, {"hx-redirect": "/console/sign-in"})
    if request.method != "GET":
        where = "/console/sign-in"
    return RedirectResponse(where, HTTPStatus.SEE_OTHER)
