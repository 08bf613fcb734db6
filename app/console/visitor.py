"""What a request says of its visitor, before anybody knows who it is."""

from starlette.requests import Request

from app.console.rendering import LANGUAGES
from app.domain.errors import RequestError


def language_of(request: Request) -> str:
    """The visitor's language: as chosen, else as their browser says."""
    chosen = request.cookies.get("banneton_language")
    if chosen in LANGUAGES:
        return chosen
    for wish in request.headers.get("accept-language", "").split(","):
        language = wish.partition(";")[0].strip().lower().partition("-")[0]
        if language in LANGUAGES:
            return language
    return LANGUAGES[0]


def theme_of(request: Request) -> str:
    """The visitor's theme: as chosen, else as their machine has it."""
    chosen = request.cookies.get("banneton_theme", "")
    return chosen if chosen in {"light", "dark"} else "auto"


def refuse_foreign_origin(request: Request) -> None:
    """Refuse a form that another site sent.

    Raises:
        RequestError: It did.
    """
    headers = request.headers
    host = headers.get("host", "")
    if not is_own_origin(headers.get("origin"), headers.get("sec-fetch-site"), host):
        what = "The form was sent from another site, or by something that is no browser."
        raise RequestError(what, code="forbidden")


def own_path(path: str) -> str:
    """A path of the console; the first page for anything else."""
    is_ours = path.partition("?")[0].rstrip("/") == "/console" or path.startswith("/console/")
    is_own = is_ours and "//" not in path and "\\" not in path
    return path if is_own and path.isprintable() else "/console"


def is_own_origin(origin: str | None, fetch_site: str | None, host: str) -> bool:
    """Whether a form was sent by a page of this host.

    Args:
        origin: The header ``Origin``.
        fetch_site: The header ``Sec-Fetch-Site``, which browsers send and pages cannot forge.
        host: The header ``Host``.
    """
    if fetch_site is not None:
        return fetch_site == "same-origin"
    if origin is None:
        return False
    return origin.partition("://")[2] == host
