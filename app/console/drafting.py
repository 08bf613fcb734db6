"""What a page is told of a draft: its files, its mistakes, and what it makes of the catalog."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from app.console.visit import Visit
from app.domain.catalog import Catalog
from app.domain.errors import BannetonError, ContentError, Problem, RequestError
from app.domain.persona import Persona
from app.pipeline.loaded import Loaded
from app.review.diffs import Edits
from app.review.drafts import Draft

_TAKEN = re.compile(r"""\{%-?\s*(?:include|import|from|extends)\s+["']([^"']+)["']""")


@dataclass(frozen=True, slots=True)
class Drafted:
    """A draft, and what comes of it."""

    edits: Edits
    patch: str
    """As ``git apply`` takes it."""
    loaded: Loaded
    """With the draft; what is served where it does not load."""
    problems: tuple[Problem, ...] = ()
    error: str = ""
    """Why it could not be looked at, where no line is to blame."""
    files: tuple[str, ...] = field(default=())

    @property
    def is_whole(self) -> bool:
        """Whether it loads."""
        return not self.problems and not self.error


def draft_in(form: Mapping[str, str], name: str = "draft") -> Draft:
    """A draft as pages send it: an object of JSON, by file, with a text or null.

    Raises:
        RequestError: It is none.
    """
    try:
        made = json.loads(form.get(name) or "{}")
    except (ValueError, RecursionError):
        made = None
    if not isinstance(made, dict) or not all(
        text is None or isinstance(text, str) for text in made.values()
    ):
        what = "The draft cannot be read: it is an object of JSON, by file, with texts."
        raise RequestError(what, param=name)
    return made


def drafted(visit: Visit, draft: Draft) -> Drafted:
    """Read and compile the project with a draft; takes a while, and blocks.

    Raises:
        BannetonError: The draft changes what it may not, or what this visitor may not see.
    """
    drafts, served = visit.behind.drafts, visit.behind.loaded()
    for name in draft:
        refuse_hidden(visit, name)
    edits = drafts.edits(draft)
    if not edits:
        return Drafted({}, "", served)
    patch, files = drafts.patch(edits).decode("utf-8", "replace"), tuple(edits)
    try:
        return Drafted(edits, patch, drafts.loaded(edits), files=files)
    except ContentError as exc:
        return Drafted(edits, patch, served, exc.problems, files=files)
    except BannetonError as exc:
        return Drafted(edits, patch, served, error=str(exc), files=files)


def files_of(persona: Persona, catalog: Catalog) -> list[str]:
    """The files that make a persona, the one that names the others first."""
    names = [f"personas/{persona.id}.yaml", *_extended(catalog, f"personas/{persona.id}.yaml")]
    if (prompt := catalog.prompts.get(persona.prompt)) is not None:
        names += _with_parts(prompt.file, catalog)
    names += [f"policies/{persona.policy}.yaml"]
    names += _extended(catalog, f"policies/{persona.policy}.yaml")
    return list(dict.fromkeys((*names, *persona.knowledge)))


def visible_files(visit: Visit) -> list[str]:
    """The files that this visitor may look at: all, or those of the personas their key is for."""
    names = visit.behind.drafts.names()
    if visit.caller.personas is None:
        return names
    catalog = visit.behind.loaded().catalog
    allowed = {
        name
        for persona in visit.behind.gateway.personas(visit.caller)
        for name in files_of(persona, catalog)
    }
    return [name for name in names if name in allowed]


def refuse_hidden(visit: Visit, name: str) -> None:
    """Refuse a file that this visitor may not look at.

    Raises:
        RequestError: They may not.
    """
    if visit.caller.personas is not None and name not in visible_files(visit):
        what = "This key is for some personas only, and this file is none of theirs."
        raise RequestError(what, code="forbidden")


def _extended(catalog: Catalog, file: str) -> Iterable[str]:
    """Other files that say something of this one's values: those that it extends."""
    said = (source.file for (of, _), source in catalog.sources.items() if of == file)
    return dict.fromkeys(name for name in said if name != file)


def _with_parts(file: str, catalog: Catalog) -> list[str]:
    """A template with all that it includes and imports."""
    texts = {each.file: each.text for each in catalog.prompts.values()}
    found: list[str] = []
    waiting = [file]
    while waiting:
        name = waiting.pop(0)
        if name in texts and name not in found:
            found.append(name)
            waiting += [f"prompts/{part}" for part in _TAKEN.findall(texts[name])]
    return found
