"""Look at the texts of a request: what was found, what policy does about it, what is passed on."""

import hmac
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from threading import Lock

from app.domain.conversation import Segment
from app.domain.decision import Decision, DetectorRef, Outcome, StageTrace, Trace, UncheckedRun
from app.domain.policy import Action
from app.domain.protocols import Outside
from app.guardrails.aside import done, is_long
from app.guardrails.context import NO_CONTEXT, Context
from app.guardrails.decide import Ruling, Stop, decision, first_stop, outcome_of, rulings
from app.guardrails.known import PSEUDONYM, KnownPseudonyms, unknown_token
from app.guardrails.matches import in_order
from app.guardrails.passage import Passage, is_json_text
from app.guardrails.places import Places
from app.guardrails.plan import PolicyPlan
from app.guardrails.pseudonyms import Minter
from app.guardrails.rewrite import Edit, JsonStrings, Rewrite, Rewritten, escapes, merged, rewritten
from app.guardrails.seen import Seen, ask_all, at_path, in_original, inspect_here, place_of
from app.guardrails.stage_plan import StagePlan


@dataclass(frozen=True, slots=True)
class Inspection:
    """What came of looking at some texts."""

    trace: Trace
    decisions: tuple[Decision, ...]
    outcome: Outcome
    texts: Mapping[str, str]
    """By path: what is passed on, for every text that was looked at."""
    edits: Mapping[str, tuple[Edit, ...]]
    """By path: where a text that is passed on is another one than was looked at."""
    is_rewritten: bool
    """Whether any of them is another one than was looked at."""
    stop: Stop | None
    steers: tuple[str, ...]
    """What to add at the end of the answer."""
    scores: Mapping[str, float]
    """The highest score of each detector that looked; 0 where it saw nothing, and no score where it
    saw nothing because it was out."""


class History:
    """Remembers what detectors here said of texts that clients send again with every turn.

    Bounded by texts and findings together; the least recently used is forgotten. Holds no text: the
    key is an HMAC. Threads may ask it.
    """

    def __init__(self, key: bytes, capacity: int = 8_192) -> None:
        self._key = key
        self._capacity = capacity
        self._size = 0
        self._seen: OrderedDict[bytes, Seen] = OrderedDict()
        self._lock = Lock()

    def key(self, tenant: str, plan: StagePlan, segment: Segment, context: bytes) -> bytes:
        """Under which the findings of a text are kept.

        Equal for equal tenant, detectors, text and digest of the context.
        """
        how = "json" if is_json_text(segment) else "text"
        told = (
            plan.looking,
            f"{plan.stage}\0{how}\0{len(tenant)}\0{tenant}\0".encode("utf-8", "replace"),
            context,
            segment.text.encode("utf-8", "surrogatepass"),
        )
        return hmac.digest(self._key, b"".join(told), "sha256")

    def get(self, key: bytes) -> Seen | None:
        """What was said, if it is still known."""
        with self._lock:
            seen = self._seen.get(key)
            if seen is not None:
                self._seen.move_to_end(key)
        return seen

    def put(self, key: bytes, seen: Seen) -> None:
        """Remember; an outage is not worth remembering."""
        if seen.unchecked:
            return
        with self._lock:
            if key not in self._seen:
                self._size += _weight(seen)
                self._seen[key] = seen
            while self._size > self._capacity:
                self._size -= _weight(self._seen.popitem(last=False)[1])


def _weight(seen: Seen) -> int:
    return 1 + len(seen.findings)


async def inspect_segments(  # noqa: PLR0913  # what a look depends on, and nothing else
    plan: PolicyPlan,
    audience: str,
    segments: Sequence[Segment],
    *,
    minter: Minter,
    now: datetime,
    history: History | None = None,
    context: Context = NO_CONTEXT,
    outside: Outside | None = None,
    draw: float = 0.0,
    asks_anyway: bool = False,
) -> Inspection:
    """Look at texts that have arrived whole: what a client sends, and what tools gave.

    Detectors here look first, and what they make policy rewrite is rewritten; then detectors
    outside see the rewritten texts, all at once, unless the exchange has been stopped.

    Args:
        plan: Of the persona's policy.
        audience: Under which the request is served.
        segments: Paths are unique.
        minter: Gives pseudonyms, and says whose texts these are.
        now: Decides which waivers hold.
        history: Where findings are kept: clients send every text again with each later turn.
        context: What the texts belong to.
        outside: What detectors ask outside through; without it those are unchecked.
        draw: Decides which rules act that act for a share of traffic; 0 makes all of them act.
        asks_anyway: Ask outside also where the exchange has been stopped, because the rewritten
            texts are kept.
    """
    aside = minter.knows_many or is_long(segment.text for segment in segments)

    def begin() -> list[_StageLook]:
        known = KnownPseudonyms(minter.known)
        minter.avoid((context.system, *(segment.text for segment in segments)))
        looks = [
            _StageLook(
                plan.at(stage, audience, now, draw),
                [segment for segment in segments if segment.stage is stage],
                minter,
                known,
                context,
                draw,
            )
            for stage in dict.fromkeys(segment.stage for segment in segments)
        ]
        for look in looks:
            look.look_at_once(history if look.ran else None)
            if not look.is_slow:
                look.conclude_here(history if look.ran else None)
        return looks

    looks = await done(begin, aside=aside)
    for look in looks:
        if look.is_slow:
            await look.look_slowly()
            await done(partial(look.conclude_here, history), aside=aside)
    if asks_anyway or not any(look.stop for look in looks):
        for look in looks:
            await look.ask(outside, aside=aside)
    has_found = any(look.rulings for look in looks)
    return await done(partial(_inspection, looks), aside=aside and has_found)


def _inspection(looks: Sequence["_StageLook"]) -> Inspection:
    decisions = tuple(decision(look.trace, look.rulings) for look in looks)
    steers = dict.fromkeys(
        ruling.rule.append
        for look in looks
        for ruling in look.rulings
        if ruling.action is Action.STEER and ruling.rule.is_enforced
    )
    texts: dict[str, str] = {}
    edits: dict[str, tuple[Edit, ...]] = {}
    for look in looks:
        for path, text in look.passed_on().items():
            texts[path] = text.text
            if text.edits:
                edits[path] = text.edits
    return Inspection(
        trace=tuple(look.trace for look in looks),
        decisions=decisions,
        outcome=outcome_of(decisions),
        texts=texts,
        edits=edits,
        is_rewritten=any(ruling.rewrites for look in looks for ruling in look.rulings),
        stop=first_stop(look.stop for look in looks if look.stop is not None),
        steers=tuple(steers),
        scores=_scores(looks),
    )


def _scores(looks: Iterable["_StageLook"]) -> dict[str, float]:
    scores: dict[str, float] = {}
    for look in looks:
        out = {run.detector for run in look.trace.unchecked}
        for ref in look.ran:
            if ref.detector not in out:
                scores.setdefault(ref.detector, 0.0)
        for finding in look.trace.findings:
            if finding.detector == PSEUDONYM.detector:
                continue  # no rule's
            scores[finding.detector] = max(scores.get(finding.detector, 0.0), finding.score)
    return scores


class _StageLook:
    """The texts of one stage while they are looked at."""

    def __init__(
        self,
        plan: StagePlan,
        segments: Sequence[Segment],
        minter: Minter,
        known: KnownPseudonyms,
        context: Context,
        draw: float,
    ) -> None:
        self.ran: tuple[DetectorRef, ...] = plan.ran_here
        self.trace = StageTrace(plan.stage, (), draw=draw)
        self.rulings: list[Ruling] = []
        self.stop: Stop | None = None
        self._plan = plan
        self._segments = segments
        self._minter = minter
        is_of_stage = context.stage is plan.stage
        self._context = context if is_of_stage else replace(context, stage=plan.stage)
        self._known = known
        self._seen: dict[str, Seen] = {}
        self._said: dict[bytes, Seen] = {}
        """What detectors said, by what tells texts apart: each of them is looked at once."""
        self._keys: dict[str, bytes] = {}
        self._new: dict[bytes, Segment] = {}

    @property
    def is_slow(self) -> bool:
        """Whether detectors here that take long look too."""
        return bool(self._plan.slow)

    def look_at_once(self, history: History | None) -> None:
        """Run the detectors that answer at once, over texts that are not known yet."""
        digest = b"" if history is None else self._context.digest()
        for segment in self._segments:
            key = segment.path.encode("utf-8", "surrogatepass")
            known = None
            if history is not None:
                key = history.key(self._minter.scope.tenant, self._plan, segment, digest)
                known = history.get(key)
            self._keys[segment.path] = key
            if key in self._said:
                continue
            if known is None:
                self._new[key] = segment
                known = inspect_here(
                    self._plan,
                    segment.text,
                    is_json=is_json_text(segment),
                    context=self._context,
                )
            self._said[key] = known

    async def look_slowly(self) -> None:
        """Run the detectors here that take long, over the same texts, one after the other."""
        for key, segment in self._new.items():
            passage = Passage(segment.text, is_json=is_json_text(segment), context=self._context)
            seen = await ask_all(self._plan.slow, {"": passage})
            self._said[key] += seen.get("", Seen())

    def conclude_here(self, history: History | None) -> None:
        """See what policy makes of what the detectors here said."""
        if history is not None:
            for key in self._new:
                history.put(key, self._said[key])
        for segment in self._segments:
            seen = self._beside_pseudonyms(self._said[self._keys[segment.path]], segment)
            self._seen[segment.path] = at_path(seen, segment.path)
        self._rule()

    def _beside_pseudonyms(self, seen: Seen, segment: Segment) -> Seen:
        """Without findings inside pseudonyms of the scope, which a text may still have.

        What looks like a pseudonym and is none of the scope is a finding.
        """
        is_json = is_json_text(segment)
        findings = seen.findings
        if findings and self._known:
            standing, _ = self._known.scan(segment.text, 0, is_end=True, is_json=is_json)
            atoms = Places(each.span for each in standing)
            findings = tuple(f for f in findings if not atoms.cover(f.start, f.end))
        unknown = self._known.unknown_in(segment.text, is_json=is_json)
        if not unknown and findings is seen.findings:
            return seen
        return replace(seen, findings=(*findings, *(unknown_token(*span) for span in unknown)))

    async def ask(self, outside: Outside | None, *, aside: bool) -> None:
        """Run the detectors outside, over what would be passed on."""
        if not self._plan.remote:
            return
        self.ran = self._plan.ran
        texts = await done(self.passed_on, aside=aside)
        # Nothing of the context but the stage: the prompt in it is composed of raw variables.
        context = Context(stage=self._plan.stage)
        passages = {path: Passage(text.text, context=context) for path, text in texts.items()}
        said = await ask_all(self._plan.remote, passages, outside)

        def conclude() -> None:
            for path, seen in said.items():
                self._seen[path] += in_original(seen, texts[path])
            self._rule()

        await done(conclude, aside=aside)

    def _rule(self) -> None:
        """See what policy makes of what was said so far."""
        seen = [self._seen[segment.path] for segment in self._segments]
        self.trace = StageTrace(
            stage=self._plan.stage,
            ran=(*self.ran, PSEUDONYM),
            findings=tuple(finding for each in seen for finding in in_order(each.findings)),
            unchecked=tuple(run for each in seen for run in each.unchecked),
            earlier=frozenset(s.path for s in self._segments if s.is_earlier),
            draw=self.trace.draw,
        )
        self.rulings = rulings(self._plan, self.trace)
        self.stop = first_stop(
            Stop(ruling.rule.id, ruling.outcome, self._plan.stage, ruling.about.path)
            for ruling in self.rulings
            if ruling.stops
        )

    def passed_on(self) -> dict[str, Rewritten]:
        """The texts after their rewrites."""
        made: dict[str, list[Ruling]] = {segment.path: [] for segment in self._segments}
        for ruling in self.rulings:
            if ruling.rewrites:
                made[ruling.about.path].append(ruling)
        return {s.path: self._passed_on(s, made[s.path]) for s in self._segments}

    def _passed_on(self, segment: Segment, made: Sequence[Ruling]) -> Rewritten:
        text = segment.text
        if not made:
            return Rewritten(text)
        rewrites = [_rewrite(ruling, len(text)) for ruling in made]
        if not is_json_text(segment):
            return rewritten(text, merged(rewrites), self._minter.mint)
        uncut = escapes(text)
        whole = [
            replace(each, start=uncut.before(each.start), end=uncut.after(each.end))
            for each in rewrites
        ]
        return rewritten(text, merged(whole), self._minter.mint, JsonStrings())


def _rewrite(ruling: Ruling, length: int) -> Rewrite:
    """The place that a ruling changes; ``length`` is that of the whole text."""
    about = ruling.about
    if ruling.withholds or isinstance(about, UncheckedRun):
        return Rewrite(0, length, Action.MASK, "")
    start, end = place_of(about, length)
    return Rewrite(start, end, ruling.action, about.category, about.score, ruling.rule.pseudonym)
