"""A first page."""

from starlette.responses import Response

from app.console.visit import Page, Visit


async def show(visit: Visit) -> Response:
    """Say who is here, and where to go."""
    return visit.page("welcome.html.j2", personas=visit.behind.gateway.personas(visit.caller))


PAGES = (Page("", show, nav="overview"),)
