"""What a policy's file says of who gets values back."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator

from app.catalog.document import Node
from app.domain.errors import ContentError
from app.domain.persona import FileModel
from app.domain.policy import ANY_TOOL, Categories, Restore


def _grant(value: object) -> object:
    if value in ("all", "none"):
        return value
    if isinstance(value, list) and value and all(isinstance(kind, str) for kind in value):
        return tuple(value)
    raise ValueError("must be all, none, or a list of kinds such as [EMAIL_ADDRESS]")


Grant = Annotated[Literal["all", "none"] | tuple[str, ...], BeforeValidator(_grant)]


class RestoreFile(FileModel):
    """Which values come back in place of their pseudonyms: ``all``, ``none``, or these kinds."""

    user: Grant = "all"
    """In the answer, its refusals and its reasoning."""
    tools: Mapping[str, Grant] = {ANY_TOOL: "all"}
    """In the arguments of a tool's calls, by the tool's name; ``'*'`` is every other tool."""


def build_restore(file: RestoreFile, node: Node) -> Restore:
    """What the file means.

    Raises:
        ContentError: It names tools and leaves the others out.
    """
    if ANY_TOOL not in file.tools:
        what = "does not say what every other tool gets: '*': all, none or a list of kinds"
        raise ContentError([node.nearest("tools").problem(what)])
    tools = {name: _categories(grant) for name, grant in file.tools.items()}
    return Restore(_categories(file.user), tools)


def _categories(grant: Literal["all", "none"] | tuple[str, ...]) -> Categories:
    match grant:
        case "all":
            return None
        case "none":
            return frozenset()
        case kinds:
            return frozenset(kinds)
