"""The section about recorded decisions that would end otherwise."""

from collections.abc import Iterator
from datetime import datetime

from app.review.plan import Plan, Weakening, weakening_of_flip
from app.review.replayed import Cause, Flip, State
from app.review.report.page import Bar, Bars, Block, Code, Lines, Said, Section, Table, Tone
from app.review.wording import age_in_words, cause_in_words, counts_in_words, printable

_SHORT = 20
_BARS = 12


def flips(plan: Plan) -> Iterator[Section]:
    """Every flip, ``block`` to ``allow`` first, with what turned it."""
    replayed = plan.replayed
    if replayed is None:
        return
    blocks: list[Block] = []
    if replayed.flips:
        title = "Decisions that end otherwise, before → after"
        blocks.append(Bars(title, tuple(_bar(each) for each in replayed.flips[:_BARS])))
        rows = tuple(_row(plan, each) for each in replayed.flips)
        columns = ("before → after", "how many", "what turns it", "for whom", "such as", "id")
        blocks.append(Table(columns, rows, Tone.WARN, first=_SHORT))
    blocks.append(Lines(tuple(_about(plan))))
    weaker = any(each.is_weaker for each in replayed.flips)
    tone = Tone.BAD if weaker else Tone.WARN if replayed.flips else Tone.GOOD
    count = sum(flip.count for flip in replayed.flips)
    title = f"{count:,} recorded decisions flip" if count != 1 else "1 recorded decision flips"
    yield Section(title if count else "No recorded decision flips", tuple(blocks), tone)


def _bar(flip: Flip) -> Bar:
    rules = ", ".join(dict.fromkeys(each.rule for each in flip.causes))
    label = f"{flip.before} → {flip.after}" + (f" ({rules})" if rules else "")
    return Bar(printable(label), flip.count, Tone.BAD if flip.is_weaker else Tone.GOOD)


def _row(plan: Plan, flip: Flip) -> tuple[Said, ...]:
    low, high = flip.interval
    weakening = weakening_of_flip(plan, flip) if flip.is_weaker else None
    said = f"{flip.count:,} ({_percent(flip.share)}; {_percent(low)} to {_percent(high)})"
    if flip.state is not State.EXACT:
        said += f"; {_STATES[flip.state]}"
    examples: list[str | Code] = []
    for each in flip.examples[:2]:
        examples += [*([", "] if examples else []), Code(printable(each))]
    return (
        (f"{flip.before} → {flip.after}",),
        (said,),
        _causes(flip.causes),
        (f"{counts_in_words(flip.personas)}; {counts_in_words(flip.audiences)}",),
        tuple(examples),
        _standing(weakening) if weakening else ("",),
    )


def _standing(weakening: Weakening) -> Said:
    """By which id it is approved, or has been."""
    said: list[str | Code] = ["approved: " if weakening.approved else ""]
    for each in weakening.follows or (weakening.id,):
        said += [*(["with "] if weakening.follows and len(said) == 1 else []), Code(each), " "]
    return tuple(said[:-1])


_STATES = {
    State.RERUN: "by what detectors say now of the text that was kept",
    State.NEEDS_DETECTOR: "at least: a detector has not looked yet",
    State.COUNTERFACTUAL: "nobody knows what the answer would have been",
    State.NOT_REPLAYABLE: "not replayable",
}


def _causes(causes: tuple[Cause, ...]) -> Said:
    said: list[str | Code] = []
    for each in causes:
        said += ["; "] if said else []
        said += [f"{cause_in_words(each)} (", Code(printable(f"{each.file}:{each.line}")), ")"]
    return tuple(said)


def _about(plan: Plan) -> Iterator[Said]:
    replayed = plan.replayed
    if replayed is None or replayed.oldest is None or replayed.newest is None:
        yield ("There are no records to decide again.",)
        return
    yield (
        (
            f"{replayed.total:,} records {_days(replayed.oldest, replayed.newest)} (the newest is "
            f"{age_in_words(plan.made_at - replayed.newest)} old), decided again from "
            f"their findings: {replayed.state(State.EXACT):,} exactly."
        ),
    )
    if (share := replayed.of_other_revisions) > 0:
        yield (
            (
                f"{_percent(share)} of them were served under another revision of the files than "
                "the "
                "one that this is compared with."
            ),
        )


def _days(oldest: datetime, newest: datetime) -> str:
    if oldest.date() == newest.date():
        return f"of {newest:%Y-%m-%d}"
    return f"from {oldest:%Y-%m-%d} to {newest:%Y-%m-%d}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
