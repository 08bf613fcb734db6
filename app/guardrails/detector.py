"""What a detector is: text in, ``Clean | Found | Unchecked`` out. It knows nothing of policy."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar, runtime_checkable

from app.domain.finding import Detection, Finding
from app.domain.persona import FileModel
from app.domain.policy import Stage
from app.domain.protocols import Outside
from app.guardrails.passage import Passage

SettingsT = TypeVar("SettingsT", bound=FileModel)


class Scope(StrEnum):
    """How much of a text a detector must have seen before it can judge a part of it."""

    SPAN = "span"
    """Each finding depends on the match and a bounded context alone."""
    SENTENCE = "sentence"
    """Each finding depends on its sentence alone."""
    RESPONSE = "response"
    """A finding may depend on everything."""


class LocalDetector(Protocol):
    """Runs here, at once, in time linear in the text's length, without I/O.

    ``inspect`` reports findings with ``path=""`` (the caller fills it in), ordered by start, at or
    above ``FLOOR``, offsets into ``passage.original``. What it cannot judge is ``Unchecked``.
    """

    name: str
    revision: str
    spec: str
    """Digest of the settings that change what is looked for; empty where there are none."""
    scope: Scope
    shapes: tuple[str, ...] | None
    """RE2 patterns. Every finding lies inside a leftmost-longest match of one of them, over some
    layer of the passage: where none matches, the detector is certain to be clean, and in a stream
    only text that could still become or extend such a match has to wait. Tight shapes make fast
    screens and short waits; a shape that can match without bound holds all that follows its start.
    ``None`` means: always look (then the scope must not be ``SPAN``)."""
    left_context: int
    """For ``SPAN``: how many code points before a finding may influence it. What follows a shape's
    match never does, but for the one code point that an assertion such as ``\\b`` looks at."""

    def inspect(self, passage: Passage) -> Detection:
        """What is in the passage."""
        ...


@runtime_checkable
class SlowDetector(Protocol):
    """Runs here, but too long for the event loop: a model on the CPU. Sees the text as it is.

    Its scope is ``RESPONSE``. It works in threads of its own, no more of them than it declares
    useful. The caller sets the deadline and turns errors into ``Unchecked``.
    """

    name: str
    revision: str
    spec: str

    async def inspect_slowly(self, passage: Passage) -> Detection:
        """What is in the passage; offsets and paths as local detectors give them."""
        ...


@runtime_checkable
class RemoteDetector(Protocol):
    """Asks something outside the process: a judge, a webhook. Runs after all others' rewrites.

    Its scope is ``RESPONSE``. The caller sets the deadline and turns errors into ``Unchecked``.
    """

    name: str
    revision: str
    spec: str

    async def inspect_remotely(self, passage: Passage, outside: Outside) -> Detection:
        """What is in the text (already rewritten: raw personal data never leaves).

        Of the passage's context only ``stage``, ``question`` and ``tool`` may be sent on: at the
        stages before the model the rest of it was not rewritten.
        """
        ...


Detector = LocalDetector | SlowDetector | RemoteDetector


class Place(StrEnum):
    """Where a detector may ask."""

    ROUTE = "route"
    """A model, by way of a route."""
    WEBHOOK = "webhook"
    """An endpoint of ours, to which requests are signed."""
    SERVICE = "service"
    """An endpoint of others, to which requests may carry a key."""


@dataclass(frozen=True, slots=True)
class Need:
    """What has to be in ``banneton.yaml`` for a detector to run."""

    place: Place
    name: str
    """As the settings have it."""
    setting: str
    """Which of the settings names it."""


@dataclass(frozen=True, slots=True)
class DetectorKind(Generic[SettingsT]):
    """A kind of detector, as a detector's module exports it under the name ``KIND``."""

    name: str
    summary: str
    """One sentence for the reference page."""
    settings: type[SettingsT]
    """What may be written under ``detect: {name: …}``. Every field has a docstring."""
    build: Callable[[SettingsT], Detector]
    """Makes the detector, with all its compiling and loading; called at load, never on a request.
    Settings that only choose among findings (such as entities or a minimal score) do not go in
    here, so that rules share one run and a recorded trace can answer for more policies."""
    selects: Callable[[SettingsT, Finding], bool]
    """Whether a rule with these settings is about this finding."""
    is_as_strict: Callable[[SettingsT, SettingsT], bool]
    """Whether the first settings find at least all that the second ones find. Where that cannot
    be told, false."""
    categories: Callable[[SettingsT], Collection[str]] | None = None
    """Every category that findings for these settings may have; none where that is not known
    before they come."""
    looks_at_restored: bool = False
    """Whether the detector judges what leaves: answers after values came back in place of their
    pseudonyms. Local detectors only."""
    runs_here: Callable[[SettingsT], bool] = lambda _: True
    """Whether a rule with these settings runs in this installation. Where it does not, it is left
    out, no record says that it ran, and ``banneton check`` says so."""
    stages: frozenset[Stage] = frozenset(Stage)
    """Where it has something to look at. A rule at another stage would silently do nothing, so it
    does not load."""
    is_by_text: Callable[[SettingsT], bool] = lambda _settings: False
    """Whether what the detector says depends on the text, its stage and what it is called alone, so
    that it can look later at text that was kept; not on prompt, question, documents or tools."""
    needs: Callable[[SettingsT], Sequence[Need]] = lambda _settings: ()
    """What a detector with these settings asks outside."""
