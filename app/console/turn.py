"""One turn that is tried out: it runs as any exchange does, and is shown as it comes."""

import asyncio
import logging
import re
import traceback
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import replace

from starlette.responses import Response

from app.console.drafting import draft_in, refuse_hidden
from app.console.told import told
from app.console.visit import Page, Visit
from app.console.wish import DRAFT, Wish, conversation, route_of
from app.domain.errors import BackendError, BannetonError, RequestError
from app.domain.events import TextDelta
from app.pipeline.answer import Closed, ExchangeEvent, Opened
from app.pipeline.loaded import Loaded
from app.pipeline.witness import Trial, Witness
from app.review.inside import inside

_log = logging.getLogger("banneton.console")
_PLACE = re.compile(r"[a-z][a-z0-9]{0,15}")


async def run(visit: Visit) -> Response:
    """Run the turn that a form asks for."""
    form = await visit.form()
    place = form.get("place", "")
    if not _PLACE.fullmatch(place):
        raise RequestError("place: must be a short name", param="place", code="invalid_value")
    return visit.stream(_shown(visit, form, place))


async def _shown(visit: Visit, form: Mapping[str, str], place: str) -> AsyncIterator[str]:
    """The turn as it comes; an error is the last thing that is said of it."""
    telling = _Telling(visit, Witness(visit.behind.clock), place)
    try:
        wish = Wish.of(form)
        loaded = telling.loaded = await files_of(visit, wish, form.get("draft", ""))
        route = route_of(wish, loaded, visit.caller)
        asked = conversation(wish, loaded, form.get("history", ""), form.get("text", ""))
        trial = Trial(telling.witness, loaded if wish.revision else None, route)
        events = visit.behind.gateway.exchange(asked, visit.caller, trial=trial)
        async with aclosing(events) as stream:
            async for event in stream:
                for part in await telling.parts(event):
                    yield part
    except Exception as exc:  # noqa: BLE001  # the edge: nobody sees a stack
        yield await telling.failed(exc)


async def files_of(visit: Visit, wish: Wish, draft: str = "") -> Loaded:
    """The files that a wish is about: those that are served, of a revision, or with a draft.

    Where no draft is sent, such as before the browser has said anything, those that are served.
    """
    if wish.revision == DRAFT:
        async with visit.behind.one_at_a_time:
            return await asyncio.to_thread(_drafted, visit, draft)
    if wish.revision:
        return await visit.behind.past.at(wish.revision)
    return visit.behind.loaded()


def _drafted(visit: Visit, draft: str) -> Loaded:
    typed = draft_in({"draft": draft})
    for name in typed:
        refuse_hidden(visit, name)
    edits = visit.behind.drafts.edits(typed)
    return visit.behind.drafts.loaded(edits) if edits else visit.behind.loaded()


class _Telling:
    """Says what happens in one exchange, piece by piece of a page."""

    def __init__(self, visit: Visit, witness: Witness, place: str) -> None:
        self.witness = witness
        self.loaded: Loaded | None = None
        """Once it is known which files serve it."""
        self._visit = visit
        self._place = place

    async def parts(self, event: ExchangeEvent) -> list[str]:
        """What there is to say of an event."""
        match event:
            case Opened() | Closed():
                return [await self._turn()]
            case TextDelta(text, 0) if text:
                return [self._visit.html("turn_more.html.j2", place=self._place, text=text)]
            case _:
                return []

    async def _turn(self, failure: str | None = None) -> str:
        loaded = self.loaded
        if loaded is None:
            return self._visit.html("turn_refused.html.j2", place=self._place, failure=failure)
        seen = await asyncio.to_thread(inside, self.witness, loaded.catalog)
        turn = told(self._visit, self.witness, seen, loaded.catalog, self._place)
        if failure is not None:
            turn = replace(turn, failure=failure, is_over=True)
        if self.witness.opening is None and failure is not None:
            return self._visit.html("turn_refused.html.j2", place=self._place, failure=failure)
        return self._visit.html("turn.html.j2", turn=turn)

    async def failed(self, exc: Exception) -> str:
        """What there is to say of an error: what is wrong, never where in the code."""
        if isinstance(exc, BackendError):
            said = self._visit.words(f"turn.problem_{exc.problem.value}")
        elif isinstance(exc, BannetonError):
            said = str(exc)
        else:
            where = "".join(traceback.format_tb(exc.__traceback__))
            _log.error("%s in a turn\n%s", type(exc).__name__, where)
            said = self._visit.words("frame.our_fault")
        return await self._turn(said)


PAGES = (Page("/turn", run, method="POST"),)
