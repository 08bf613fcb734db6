"""What a text speaks of: topics that are denied, and texts beside the allowed ones."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from app.domain.errors import DetectorError
from app.domain.finding import CLEAN, FLOOR, Detection, Finding, Found
from app.domain.persona import FileModel
from app.guardrails.detector import DetectorKind, Scope
from app.guardrails.fold import fold
from app.guardrails.grounds import words
from app.guardrails.matches import in_order, spec_digest
from app.guardrails.passage import Passage
from app.guardrails.places import Span
from app.guardrails.sentences import sentences

if TYPE_CHECKING:
    from app.guardrails.topic_space import Space, Topic

_NAME = "topics"
_OFF_TOPIC = "off_topic"

_WINDOW = 200
"""Sentences are taken together up to about so many code points."""
_LONGEST = 800
_MOST_WINDOWS = 24
"""A longer text is looked at in so many places, evenly spread, so that the cost has a bound."""
_FEWEST_WORDS = 3
"""Words that carry meaning from which a text speaks of something."""
_FEWEST_SENTENCES = 3

Sentence = Annotated[str, Field(min_length=1, max_length=2000)]


class TopicFile(FileModel):
    """One topic, by what people say who speak of it."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    """What findings call it: their category."""
    description: str = ""
    """What it is about, in a sentence; counts as one more example."""
    examples: tuple[Sentence, ...]
    """What people say who speak of it, in every language in which it is to be found. At least three
    with the description; ten are better."""

    @model_validator(mode="after")
    def _can_be_told(self) -> Self:
        if self.id == _OFF_TOPIC:
            raise ValueError(f"{_OFF_TOPIC} is what texts beside the allowed topics are called")
        if len(self.sentences()) < _FEWEST_SENTENCES:
            raise ValueError("give at least three different examples, a description among them")
        return self

    def sentences(self) -> list[str]:
        """All that is said of the topic, each once."""
        given = (*self.examples, self.description)
        return list(dict.fromkeys(each.strip() for each in given if each.strip()))


class TopicsSettings(FileModel):
    """Which topics a text may not speak of, or which alone it may; at least one."""

    deny: tuple[TopicFile, ...] = ()
    """Texts that speak of these are found, under the topic's id."""
    allow: tuple[TopicFile, ...] = ()
    """Texts that speak of none of these are found as ``off_topic``."""
    by: Literal["words", "meaning"] = "words"
    """How texts are compared: by the words they share, or by static embeddings too, which the extra
    ``banneton[topics]`` brings."""
    min_score: Annotated[float, Field(ge=FLOOR, le=1)] = 0.5
    """Findings that score lower are not for this rule."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.deny and not self.allow:
            raise ValueError("give deny or allow")
        return self


class TopicsDetector:
    """Finds texts that speak of what they should not."""

    name = _NAME
    scope = Scope.RESPONSE
    shapes: tuple[str, ...] | None = None
    left_context = 0

    def __init__(
        self,
        settings: TopicsSettings,
        space: "Space",
        topics: "tuple[Mapping[str, Topic], Mapping[str, Topic]]",
    ) -> None:
        self.spec = _spec(settings)
        self.revision = space.revision
        self._space = space
        self._denied, self._allowed = topics

    def inspect(self, passage: Passage) -> Detection:
        """For each denied topic the place that is most surely of it; all of what is off topic."""
        if not passage.context.is_said:
            return CLEAN
        text = passage.original
        spans = [span for span in _windows(text) if _says_something(text[slice(*span)])]
        if not spans:
            return CLEAN
        vectors = self._space.vectors([text[start:end] for start, end in spans])
        found: list[Finding] = []
        for category, topic in self._denied.items():
            scores = topic.scores(vectors)
            best = int(scores.argmax())
            found += self._finding(category, float(scores[best]), spans[best], "speaks of it")
        if self._allowed:
            near = max(float(topic.scores(vectors).max()) for topic in self._allowed.values())
            what = "speaks of none of the allowed topics"
            found += self._finding(_OFF_TOPIC, 1 - near, (0, len(text)), what)
        return Found(in_order(found)) if found else CLEAN

    def _finding(self, category: str, score: float, span: Span, what: str) -> Iterator[Finding]:
        score = round(score, 4)
        if score >= FLOOR:
            yield Finding(_NAME, category, score, "", *span, self.revision, what, self.spec)


def _says_something(text: str) -> bool:
    return sum(1 for _ in words(fold(text))) >= _FEWEST_WORDS


def _windows(text: str) -> list[Span]:
    """Sentences taken together, or parts of long ones; of a long text some of them."""
    spans: list[Span] = []
    start = 0
    for begin, end in sentences(text):
        for at in range(begin, end, _LONGEST):
            until = min(at + _LONGEST, end)
            if until - start >= _WINDOW or until == len(text):
                spans.append((start, until))
                start = until
    if len(spans) <= _MOST_WINDOWS:
        return spans
    last = len(spans) - 1
    return [spans[index * last // (_MOST_WINDOWS - 1)] for index in range(_MOST_WINDOWS)]


def _spec(settings: TopicsSettings) -> str:
    return spec_digest(settings.model_dump(exclude={"min_score"}))


def _build(settings: TopicsSettings) -> TopicsDetector:
    from app.guardrails.topic_space import Topic, others, space  # noqa: PLC0415  # where it is used

    for where in ("deny", "allow"):
        ids = [topic.id for topic in getattr(settings, where)]
        for index, each in enumerate(ids):
            if each in ids[:index]:
                raise DetectorError(
                    f"the id {each!r} is given twice; rename one", path=(where, index, "id")
                )
    place, far = space(settings.by), others(settings.by)

    def made(topics: Sequence[TopicFile]) -> dict[str, Topic]:
        return {topic.id: Topic(place, topic.sentences(), far) for topic in topics}

    return TopicsDetector(settings, place, (made(settings.deny), made(settings.allow)))


def _selects(settings: TopicsSettings, finding: Finding) -> bool:
    return finding.spec == _spec(settings) and finding.score >= settings.min_score


def _is_as_strict(settings: TopicsSettings, other: TopicsSettings) -> bool:
    """Whether it denies the same topics and more, and allows the same or fewer."""
    if settings.by != other.by or settings.min_score > other.min_score:
        return False
    if not set(settings.deny) >= set(other.deny):
        return False
    return not other.allow or (bool(settings.allow) and set(settings.allow) <= set(other.allow))


KIND = DetectorKind(
    name=_NAME,
    summary="Texts that speak of denied topics, or of none of the allowed ones, by examples.",
    settings=TopicsSettings,
    build=_build,
    selects=_selects,
    is_as_strict=_is_as_strict,
    is_by_text=lambda _settings: True,
)
