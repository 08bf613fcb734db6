"""The gallery: every persona as it speaks, and what its policy stops, ready to be tried."""

from urllib.parse import urlencode

from starlette.responses import Response

from app.console.visit import Page, Visit


async def show(visit: Visit) -> Response:
    """The page, with who there is; what they say comes when it has been made."""
    return visit.page(
        "gallery.html.j2", personas=visit.behind.gateway.personas(visit.caller), tried=tried
    )


async def one(visit: Visit) -> Response:
    """How one persona speaks."""
    persona = visit.behind.gateway.persona(visit.path_params["persona"], visit.caller)
    shown = await visit.behind.showing.of(visit.behind.loaded())
    # A persona that came with a reload a moment ago is shown with the next visit.
    return visit.page("gallery_one.html.j2", shown=shown.get(persona.id), tried=tried)


def tried(persona: str, **more: str | None) -> str:
    """The playground with all of it filled in."""
    fields = {"persona": persona, **{name: value for name, value in more.items() if value}}
    return f"/console/playground?{urlencode(fields)}"


PAGES = (
    Page("/gallery", show, nav="gallery"),
    Page("/gallery/{persona}", one),
)
