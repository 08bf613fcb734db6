"""Signing in with a key."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.access.admission import Admission
from app.access.keys import hash_of
from app.console.forms import read_form
from app.console.rendering import Rendering
from app.console.session import COOKIE, CSRF_FIELD, Sessions
from app.console.visitor import language_of, own_path, refuse_foreign_origin, theme_of
from app.domain.clock import Clock
from app.domain.errors import AccessError, RequestError

_BEFORE = "sign-in"
"""Stands for the session of whoever has none yet."""


class SignIn:
    """The page that asks for a key."""

    def __init__(
        self, rendering: Rendering, admission: Admission, sessions: Sessions, clock: Clock
    ) -> None:
        """Let in whom ``admission`` knows."""
        self._rendering = rendering
        self._admission = admission
        self._sessions = sessions
        self._clock = clock

    async def answer(self, request: Request) -> Response:
        """Show the page, or let somebody in."""
        back = own_path(request.query_params.get("back", ""))
        if await self._admission.is_open():
            return RedirectResponse(back, HTTPStatus.SEE_OTHER)
        if request.method == "GET":
            return self._page(request, back)
        form: dict[str, str] = {}
        try:
            refuse_foreign_origin(request)
            form = await read_form(request)
            wrong, key_hash = await self._read(request, form)
        except RequestError:
            wrong, key_hash = "sign_in.foreign", b""
        back = own_path(form.get("back", ""))
        if wrong is not None:
            return self._page(request, back, wrong)
        answer = RedirectResponse(back, HTTPStatus.SEE_OTHER)
        answer.set_cookie(
            COOKIE,
            self._sessions.begin(key_hash, self._clock.now()),
            int(self._sessions.lasts.total_seconds()),
            path="/console",
            secure=not _is_local(request),
            httponly=True,
            samesite="lax",
        )
        return answer

    async def _read(self, request: Request, form: Mapping[str, str]) -> tuple[str | None, bytes]:
        """What is wrong, if anything is; else the hash of the key."""
        if not self._sessions.is_token(form.get(CSRF_FIELD, ""), _BEFORE):
            return "sign_in.stale", b""
        key_hash = hash_of(form.get("key", "").strip())
        if key_hash is None:
            return "sign_in.no_key", b""
        try:
            caller = await self._admission.authenticator.recognize(key_hash)
        except AccessError:
            return "sign_in.wrong", b""
        if not caller.may_use_console:
            return "sign_in.not_for_console", b""
        is_plain = request.headers.get("origin", "").startswith("http://")
        if is_plain and not _is_local(request):
            return "sign_in.wants_tls", b""
        return None, key_hash

    def _page(self, request: Request, back: str, wrong: str | None = None) -> Response:
        language = language_of(request)
        values = {
            "theme": theme_of(request),
            "back": back,
            "csrf": self._sessions.token(_BEFORE),
            "wrong": wrong,
        }
        html = self._rendering.html("sign_in.html.j2", language, values)
        status = HTTPStatus.OK if wrong is None else HTTPStatus.UNAUTHORIZED
        return HTMLResponse(html, status)


def _is_local(request: Request) -> bool:
    """Whether nobody is on the way who could read the session."""
    return request.url.hostname in {"localhost", "127.0.0.1", "::1"}
