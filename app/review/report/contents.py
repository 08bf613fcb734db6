"""What a report of a plan says, and in which order."""

from collections.abc import Iterator

from app.metrics.compare import Verdict
from app.review.change import Effect, Located
from app.review.plan import Evidence, Plan, Standing, Weakening, weakening_of
from app.review.report.measured import metrics, not_said
from app.review.report.page import Block, Code, Lines, Page, Said, Section, Table, Tile, Tone
from app.review.report.prompts import prompts
from app.review.report.replayed import flips
from app.review.wording import age_in_words, place, printable, what_of, whom_of

_TITLES = {
    Effect.WEAKER: "Weaker",
    Effect.CHANGED: "Changed",
    Effect.STRICTER: "Stricter",
    Effect.COSMETIC: "Means the same",
}
_TONES = {
    Effect.WEAKER: Tone.BAD,
    Effect.CHANGED: Tone.WARN,
    Effect.STRICTER: Tone.GOOD,
    Effect.COSMETIC: Tone.PLAIN,
}
_SHORT = 30


def page_of(plan: Plan) -> Page:
    """The report, worst first."""
    verdict, tone = _verdict(plan)
    return Page(
        title="Persona and policy review",
        verdict=verdict,
        tone=tone,
        about=tuple(_about(plan)),
        tiles=tuple(_tiles(plan)),
        sections=tuple(_sections(plan)),
        last_line=last_line(plan),
    )


def last_line(plan: Plan) -> str:
    """The whole plan in one line of counts."""
    review = plan.review
    said = [f"{review.count(effect)} {effect}" for effect in Effect]
    if approved := sum(each.approved is not None and not each.follows for each in plan.weakenings):
        said[0] += f" ({approved} approved)"
    line = f"{', '.join(said)}; composed prompts that read differently: {len(review.prompts)}"
    if (replayed := plan.replayed) is not None:
        weaker = sum(flip.count for flip in replayed.flips if flip.is_weaker)
        others = sum(flip.count for flip in replayed.flips) - weaker
        line += (
            f"; of {replayed.total:,} recorded decisions {weaker:,} end less severely, "
            f"{others:,} otherwise"
        )
    if (evaluated := plan.evaluated) is not None:
        worse = sum(map(evaluated.is_worse, evaluated.movements))
        scored = sum(each.verdict is not Verdict.NOT_SCORED for each in evaluated.movements)
        line += f"; of {scored} scored metrics {worse} worse beyond noise"
    return line


def _verdict(plan: Plan) -> tuple[str, Tone]:
    if plan.is_weaker:
        return "something is weaker than before", Tone.BAD
    if plan.weakenings:
        return "what is weaker is approved", Tone.WARN
    if any(each.change.effect is not Effect.COSMETIC for each in plan.review.changes):
        return "nothing is weaker", Tone.GOOD
    return "nothing changes in meaning", Tone.GOOD


def _about(plan: Plan) -> Iterator[Said]:
    base = plan.base
    if not base.name:
        yield ("Compared with the project's files as they are now.",)
        return
    age = age_in_words(plan.made_at - base.committed_at)
    yield (
        "Compared with ",
        Code(printable(base.name)),
        " at ",
        Code(base.commit[:12]),
        f", {age} old.",
    )
    if base.ahead:
        yield (
            (
                f"It has {base.ahead} commit{'' if base.ahead == 1 else 's'} that this change does "
                "not have: what they changed is told as if this change took it back. Merge it "
                "first."
            ),
        )


def _tiles(plan: Plan) -> Iterator[Tile]:
    review = plan.review
    opened = sum(not each.follows for each in plan.open)
    yield Tile(opened, "weaker", Tone.BAD if opened else Tone.PLAIN)
    if approved := sum(each.approved is not None and not each.follows for each in plan.weakenings):
        yield Tile(approved, "weaker, approved", Tone.WARN)
    yield Tile(review.count(Effect.CHANGED), "changed", Tone.WARN)
    yield Tile(review.count(Effect.STRICTER), "stricter", Tone.GOOD)
    yield Tile(len(review.prompts), "prompts", Tone.PLAIN)
    if plan.replayed is not None:
        count = sum(flip.count for flip in plan.replayed.flips)
        yield Tile(count, "decisions flip", Tone.WARN if count else Tone.PLAIN)
    if plan.evaluated is not None:
        worse = sum(map(plan.evaluated.is_worse, plan.evaluated.movements))
        yield Tile(worse, "metrics worse", Tone.BAD if worse else Tone.PLAIN)


def _sections(plan: Plan) -> Iterator[Section]:
    yield from _weaker(plan)
    yield from _approvals(plan)
    yield from flips(plan)
    yield from prompts(plan)
    yield from metrics(plan)
    for effect in (Effect.CHANGED, Effect.STRICTER, Effect.COSMETIC):
        located = [each for each in plan.review.changes if each.change.effect is effect]
        if located:
            table = _table(located, _TONES[effect])
            folded = effect is Effect.COSMETIC
            yield Section(_TITLES[effect], (table,), _TONES[effect], is_folded=folded)
    yield from not_said(plan)


def _weaker(plan: Plan) -> Iterator[Section]:
    located = {
        weakening_of(each).id: each
        for each in plan.review.changes
        if each.change.effect is Effect.WEAKER
    }
    opened = [each for each in plan.open if each.evidence is Evidence.FILES]
    if not plan.open:
        return
    blocks: list[Block] = []
    if opened:
        rows = tuple((*_row(located[each.id]), (Code(each.id),)) for each in opened)
        blocks.append(Table(("where", "what", "for whom", "id"), rows, Tone.BAD))
    others = [each for each in plan.open if each.evidence is not Evidence.FILES]
    elsewhere = [each for each in others if not each.follows]  # the rest goes with its cause
    if elsewhere:
        rows = tuple(((each.what,), (Code(each.id),)) for each in elsewhere)
        blocks.append(Table(("what", "id"), rows, Tone.BAD))
    command = (
        f"banneton plan --base {printable(plan.base.name or 'HEAD')} "
        f'--approve-weakening {plan.open[0].id} --by "@you" --reason "…"'
    )
    blocks.append(Lines((("Who owns these files may approve one: ", Code(command)),)))
    yield Section(_TITLES[Effect.WEAKER], tuple(blocks), Tone.BAD)


def _approvals(plan: Plan) -> Iterator[Section]:
    approved = [each for each in plan.weakenings if each.approved is not None]
    if approved:
        rows = tuple(_approved(each) for each in approved)
        columns = ("what", "approved", "id")
        yield Section("Weaker, and approved", (Table(columns, rows, Tone.WARN),), Tone.WARN)
    others = [each for each in plan.approvals if each.standing is not Standing.COUNTS]
    if others:
        rows = tuple(
            (
                (Code(printable(each.approval.source.file)),),
                (printable(f"by {each.approval.said.approved_by}: {each.why}"),),
                ("remove the file" if each.standing is Standing.STALE else "does not count",),
            )
            for each in others
        )
        table = Table(("approval", "what is with it", "so"), rows, Tone.WARN)
        yield Section("Approvals that do not count", (table,), Tone.WARN)


def _approved(weakening: Weakening) -> tuple[Said, ...]:
    if weakening.approved is None:
        raise ValueError("it is not approved")
    said = weakening.approved.said
    until = f", until {said.expires}" if said.expires else ""
    who = printable(f"by {said.approved_by} on {said.approved_on}{until}: {said.reason}")
    return (weakening.what,), (who,), (Code(weakening.id),)


def _table(located: list[Located], tone: Tone) -> Table:
    rows = tuple(_row(each) for each in located)
    return Table(("where", "what", "for whom"), rows, tone, first=_SHORT)


def _row(located: Located) -> tuple[Said, ...]:
    return (Code(place(located)),), (what_of(located),), (whom_of(located),)
