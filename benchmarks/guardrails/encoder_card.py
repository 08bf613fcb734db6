"""The model card: what the encoder was fitted on, and what it does on held-out data."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from app.domain.finding import Found
from app.domain.policy import Stage
from app.guardrails.context import Context
from app.guardrails.detector import Detector
from app.guardrails.detectors import harm, injection
from app.guardrails.encoder import HEADS, encoder
from app.guardrails.passage import Passage
from app.guardrails.strong import StrongDetector
from app.guardrails.tiers import Tier
from benchmarks.guardrails.encoder_rows import Row
from benchmarks.guardrails.evaluate import (
    Judged,
    Texts,
    left_alone,
    limits,
    over,
    stage_of,
)
from benchmarks.guardrails.measures import FEWEST, by, mean, percent, table
from benchmarks.guardrails.rows import NEVER_FITTED, read
from benchmarks.guardrails.rows import Row as Labelled

WORDS = Path(__file__).with_name("encoder_card.md")
FILES = ("injection", "indirect", "benign", "overrefusal", "harm")
AT = (0.5, 0.9)


Model = injection.InjectionDetector | harm.HarmDetector | StrongDetector


def model(detector: Detector) -> Model:
    """A detector that can be asked here and now."""
    if not isinstance(detector, Model):
        raise TypeError(f"{detector.name} is no detector by a model")
    return detector


class Tiers:
    """The detectors of both tiers."""

    def __init__(self, tier: Tier) -> None:
        self.injection = model(injection.KIND.build(injection.InjectionSettings(tier=tier)))
        self.harm = model(harm.KIND.build(harm.HarmSettings(tier=tier)))

    def judged(self, rows: Sequence[Labelled]) -> list[Judged]:
        """What both detectors score each text."""
        return [
            Judged(row, {d.name: score(d, row) for d in (self.injection, self.harm)})
            for row in rows
        ]


def passage(row: Labelled) -> Passage:
    """A text at the stage that it belongs to."""
    return Passage(row.text, context=Context(stage_of(row)))


def score(detector: Model, row: Labelled) -> float:
    """The highest score of a text; 0 where nothing was found."""
    found = detector.inspect(passage(row))
    return (
        max((each.score for each in found.findings), default=0.0)
        if isinstance(found, Found)
        else 0.0
    )


Counts = Callable[[Judged], bool]
Line = tuple[str, Sequence[Judged], Counts]


def lines(texts: Texts) -> Iterator[Line]:
    """What both tiers are compared by."""
    at = limits(texts)
    attacks, orders = texts.of("injection", bad=True), texts.of("indirect", bad=True)
    hard = [each for each in texts.of("overrefusal", bad=False) if "authored" in each.row.source]
    both = {name: at[name][0.01] for name in ("injection", "harm")}
    for rate, shown in ((0.01, "1 %"), (0.001, "0.1 %")):
        yield (
            f"attacks caught at {shown} false alarms",
            attacks,
            over("injection", at["injection"][rate]),
        )
    yield (
        "harmless texts beside them left alone",
        texts.of("injection", bad=False),
        left_alone({"injection": both["injection"]}),
    )
    yield "orders in documents caught at 1 %", orders, over("injection", at["documents"][0.01])
    yield "harm caught at 1 %", texts.of("harm", bad=True), over("harm", at["harm"][0.01])
    yield "safe, alarming words, left alone by harm", hard, left_alone({"harm": both["harm"]})
    yield "roles, frames, scripts left alone by both", texts.roles(), left_alone(both)


def compared(fast: Texts, strong: Texts) -> str:
    """Both tiers side by side: means over sources of ten texts and more, shares of all texts."""
    rows = []
    for (title, said, counts), (_, better, counts_better) in zip(
        lines(fast), lines(strong), strict=True
    ):
        shown = [title, str(len(said))]
        for judged, holds in ((said, counts), (better, counts_better)):
            hits = [holds(each) for each in judged]
            of_sources = mean(by([each.row.source for each in judged], hits, FEWEST))
            shown += [
                "–" if of_sources is None else f"{of_sources.value:.3f}",
                percent(sum(hits), len(hits)),
            ]
        rows.append(shown)
    head = [
        "",
        "texts",
        "fast, mean of sources",
        "% of texts",
        "strong, mean of sources",
        "% of texts",
    ]
    return table(head, rows)


def split(judged: Sequence[Judged], key: Callable[[Labelled], str], fewest: int) -> str:
    """The share above each score, by label, task and key."""
    groups: dict[tuple[str, str, str], list[Judged]] = {}
    for each in judged:
        kind = "to be caught" if each.row.label else "harmless"
        groups.setdefault((kind, each.row.task, key(each.row)), []).append(each)
    rows = []
    for (kind, task, name), of in sorted(groups.items(), reverse=True):
        if len(of) < fewest:
            continue
        detector = "harm" if task == "harm" else "injection"
        shares = [percent(sum(e.scores[detector] >= at for e in of), len(of)) for at in AT]
        also = (
            percent(sum(e.scores["harm"] >= AT[0] for e in of), len(of))
            if kind == "harmless"
            else ""
        )
        rows.append([kind, task, name, str(len(of)), *shares, also])
    head = ["", "task", "which", "texts", "% at 0.5", "% at 0.9", "harmless: % of `harm` at 0.5"]
    return table(head, rows)


def asked(strong: Tiers, texts: Sequence[Labelled]) -> str:
    """How many ordinary texts reach the encoder."""
    rows = []
    for head in HEADS:
        detector = strong.harm if head == "harm" else strong.injection
        if not isinstance(detector, StrongDetector):
            raise TypeError("the strong tier is not installed")
        stage = Stage.TOOL_RESULT if head == "indirect" else Stage.INPUT
        mine = [row for row in texts if stage_of(row) is stage]
        hits = sum(bool(detector.judged(passage(row))) for row in mine)
        rows.append([head, str(len(mine)), percent(hits, len(mine))])
    return table(["head", "ordinary texts", "% that reach the encoder"], rows)


def sources(rows: Sequence[Row]) -> str:
    """What was fitted on."""
    counts = Counter((row.source, row.license) for row in rows)
    return table(
        ["source", "licence", "texts"], [[*key, str(n)] for key, n in sorted(counts.items())]
    )


def card(data: Path, fitted_on: Sequence[Row]) -> str:
    """The whole page."""
    dev = read(data, "dev", FILES)
    unseen = [row for part in ("train", "dev") for row in read(data, part, NEVER_FITTED)]
    strong = Tiers(Tier.STRONG)
    by_fast, by_strong = Tiers(Tier.FAST).judged(dev), strong.judged(dev)
    ordinary = [each.row for each in Texts(by_strong).of("benign", bad=False)]
    return WORDS.read_text("utf-8").format(
        revision=encoder().revision,
        sources=sources(fitted_on),
        compared=compared(Texts(by_fast), Texts(by_strong)),
        asked=asked(strong, ordinary),
        by_source=split(by_strong, lambda row: row.source, 1),
        by_language=split(by_strong, lambda row: row.lang, 5),
        unseen=split(strong.judged(unseen), lambda row: row.source, 1),
    )
