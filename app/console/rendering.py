"""Templates, words in two languages, and files with a name that changes with their content."""

import gzip
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.templating import Jinja2Templates

LANGUAGES = ("en", "zh")
_HERE = Path(__file__).parent
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Words:
    """Every text of the console, by key and language."""

    def __init__(self, folder: Path) -> None:
        """Read ``<page>.toml`` of a folder: ``[key]`` with a text for each language."""
        self.texts: dict[str, Mapping[str, str]] = {}
        for path in sorted(folder.glob("*.toml")):
            for key, texts in tomllib.loads(path.read_text("utf-8")).items():
                self.texts[f"{path.stem}.{key}"] = texts

    def text(self, key: str, language: str, values: Mapping[str, object]) -> str:
        """A text with values put in its ``{places}``; a key that is not there is our mistake."""
        return self.texts[key][language].format_map(values)


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file as it is sent."""

    body: bytes
    packed: bytes
    """With gzip."""
    media_type: str


class Rendering:
    """Reads everything once."""

    def __init__(self) -> None:
        """Read templates, words and files of this package."""
        self.words = Words(_HERE / "words")
        self.files: dict[str, StaticFile] = {}
        """By digest and name, as in ``/console/static/<digest>/<name>``."""
        self._urls: dict[str, str] = {}
        root = _HERE / "static"
        for path in sorted(root.rglob("*")):
            if path.suffix in _TYPES:
                self._add(path.relative_to(root).as_posix(), path)
        self._templates = Jinja2Templates(_HERE / "templates")
        environment = self._templates.env
        environment.loader = FileSystemLoader(_HERE / "templates")
        environment.undefined = StrictUndefined
        environment.autoescape = True
        environment.trim_blocks = environment.lstrip_blocks = True
        environment.globals["static"] = self.url
        environment.filters["pair"] = lambda value: (value, value)

    def _add(self, name: str, path: Path) -> None:
        body = path.read_bytes()
        url = f"{hashlib.sha256(body).hexdigest()[:12]}/{name}"
        self.files[url] = StaticFile(body, gzip.compress(body, 9, mtime=0), _TYPES[path.suffix])
        self._urls[name] = f"/console/static/{url}"

    def url(self, name: str) -> str:
        """Where a file is found."""
        return self._urls[name]

    def html(self, template: str, language: str, values: Mapping[str, Any]) -> str:
        """A template with these values, and ``t`` for the texts of a language."""

        def t(key: str, **places: object) -> str:
            return self.words.text(key, language, places)

        def icon(name: str) -> Markup:
            return Markup(_ICONS[name])  # noqa: S704  # ours, all of it

        made = self._templates.env.get_template(template)
        return made.render({"t": t, "language": language, "icon": icon, **values})


def _icon(path: str) -> str:
    return (
        '<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false" fill="none" '
        'stroke="currentColor" stroke-width="1.75" stroke-linecap="round" '
        f'stroke-linejoin="round">{path}</svg>'
    )


_ICONS = {
    "overview": _icon('<path d="M4 19V5M4 19h16M8 15l4-5 3 3 5-7"/>'),
    "playground": _icon('<path d="M5 5h14v10H10l-5 4z"/><path d="M9 9h6M9 12h3"/>'),
    "compare": _icon('<rect x="4" y="5" width="7" height="14" rx="1"/>'
                     '<rect x="13" y="5" width="7" height="14" rx="1"/>'),
    "compose": _icon('<path d="M5 4h9l5 5v11H5z"/><path d="M14 4v5h5M8 13h8M8 16h5"/>'),
    "policies": _icon('<path d="M4 6h16v13H4zM4 11h16M10 6v13"/>'),
    "records": _icon('<path d="M5 6h14M5 12h14M5 18h9"/>'),
    "review": _icon('<path d="M7 4v10a4 4 0 0 0 4 4h6"/><path d="M14 15l3 3-3 3M4 7l3-3 3 3"/>'),
    "gallery": _icon('<circle cx="9" cy="9" r="3"/><path d="M3 19c1-4 11-4 12 0M16 6a3 3 0 0 1 0 6'
                     'M18 15c2 .6 3 2 3 4"/>'),
}  # fmt: skip
