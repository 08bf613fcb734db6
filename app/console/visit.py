"""One visit to a page, and what pages are given."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from app.console.measured import Measured
from app.console.rendering import Rendering
from app.domain.clock import Clock, NewId
from app.domain.protocols import Caller
from app.pipeline.gateway import Gateway
from app.pipeline.loaded import Loaded


@dataclass(frozen=True, slots=True)
class Behind:
    """What stands behind the pages; ``main`` puts it together."""

    gateway: Gateway
    loaded: Callable[[], Loaded]
    """The catalog that is served now."""
    load_at: Callable[[Path], Loaded]
    """Reads and compiles the project as it is in another folder; blocks, and raises
    ``ContentError``."""
    root: Path
    """The project's folder. No page writes there."""
    clock: Clock
    new_id: NewId
    version: str
    measured: Measured = field(default_factory=Measured)
    """For the curves of policies."""


class Need(Enum):
    """What a key must be allowed, besides the console, to see a page."""

    AUTHOR = auto()
    """Nothing more."""
    RECORDS = auto()
    """Reading its tenant's records."""

    def is_met(self, caller: Caller) -> bool:
        """Whether this key may see it."""
        return self is Need.AUTHOR or caller.may_read_records


@dataclass(frozen=True, slots=True)
class Visit:
    """A request to a page, by somebody who may see it."""

    request: Request
    caller: Caller
    behind: Behind
    rendering: Rendering
    language: str
    """``en`` or ``zh``."""
    theme: str
    """``light``, ``dark``, or ``auto``, as the machine has it."""
    csrf: str
    """What forms must carry."""
    is_open: bool
    """Whether nobody had to sign in."""
    nav: str | None = None
    """The page's place in the navigation."""
    _paths: frozenset[str] = frozenset()
    """Of the pages that this visitor may see."""
    _form: dict[str, str] = field(default_factory=dict)
    """Read before the page is asked, as the token is in it."""

    @property
    def query(self) -> Mapping[str, str]:
        """The query string by name; the last one counts."""
        return dict(self.request.query_params)

    @property
    def path_params(self) -> Mapping[str, str]:
        """What the page's path caught."""
        return self.request.path_params

    @property
    def is_partial(self) -> bool:
        """Whether a part of a page asks, rather than somebody who came to it."""
        return self.request.headers.get("hx-request") == "true"

    def has_page(self, path: str) -> bool:
        """Whether this visitor may see a page, by its path below ``/console``."""
        return path in self._paths

    async def form(self) -> Mapping[str, str]:
        """The fields of the form that was sent."""
        return self._form

    def words(self, key: str, **values: object) -> str:
        """A text in the visitor's language."""
        return self.rendering.words.text(key, self.language, values)

    def page(self, template: str, *, status: int = 200, **values: object) -> Response:
        """A page, or a piece of one."""
        return HTMLResponse(self.html(template, **values), status)

    def html(self, template: str, **values: object) -> str:
        """A template with these values."""
        return self.rendering.html(
            template, self.language, {**values, "visit": self, "nav": self.nav}
        )

    def stream(self, parts: AsyncIterator[str]) -> Response:
        """Pieces of a page as they come, as server-sent events that htmx swaps in."""

        async def events() -> AsyncIterator[bytes]:
            async for part in parts:
                lines = "".join(f"data: {line}\n" for line in part.splitlines() or [""])
                yield f"{lines}\n".encode()

        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(events(), headers=headers, media_type="text/event-stream")


Handle = Callable[[Visit], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Page:
    """Something that can be visited."""

    path: str
    """Below ``/console``, as ``/records/{request_id}``; empty for the first page."""
    handle: Handle
    method: str = "GET"
    needs: Need = Need.AUTHOR
    nav: str | None = None
    """The place in the navigation that is marked while one is there."""
