"""One channel of an answer: text goes in as the model writes it, and comes out when it is safe.

Let *x* be the channel's whole text, *b* the start of the earliest span that stops the answer, moved
back over any rewrite that goes across it (0 where a rule that judges the whole text stops it, the
end of *x* where nothing does), and *T* the rewrites. Whatever the pieces in which *x* comes, what
comes out is *T(x[:b])*, and no part of it before it is certain.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from app.domain.decision import UncheckedRun
from app.domain.errors import DetectorError
from app.domain.finding import Finding, Found, Unchecked
from app.domain.policy import Action
from app.guardrails.aside import effort
from app.guardrails.context import NO_CONTEXT, Context
from app.guardrails.cut import Cut, Edges, Halt, cut
from app.guardrails.decide import rulings_on
from app.guardrails.known import PSEUDONYM, KnownPseudonyms, unknown_token
from app.guardrails.passage import Passage
from app.guardrails.places import Places, Span
from app.guardrails.rewrite import MARK, Edit, JsonStrings, Name, Rewritten, escapes, rewritten
from app.guardrails.seen import Seen, inspect_run, inspect_with, outage, place_of
from app.guardrails.sentences import SENTENCE_END
from app.guardrails.settle import Said, Settled, Tail, certain_up_to, settle
from app.guardrails.stage_plan import Run, StagePlan

_LONG_HOLD = 2048
"""From this many held code points on, the tail is read again only when it has grown by an eighth,
so that the time stays linear in the text; then what is held waits up to that much longer."""
_LONG_CONTEXT = 32
"""How much more of what was released a tail may at least begin with than anyone wants to see."""
_CHAIN = 4096
"""How far back a tail may begin so as not to cut into a row of matches."""
_OF_SENTENCE = 8
"""Times as much work as others are detectors that judge a sentence at a time."""


class Channel:
    """See the module."""

    def __init__(  # noqa: PLR0913  # what a text is, and nothing else
        self,
        plan: StagePlan,
        path: str,
        *,
        known: KnownPseudonyms,
        name: Name,
        is_json: bool = False,
        is_held: bool = False,
        context: Context = NO_CONTEXT,
    ) -> None:
        """Begin a text.

        Args:
            plan: Of the stage that the text belongs to.
            path: What findings and records call the text.
            known: Pseudonyms that may stand in it.
            name: Gives pseudonyms to what is found in it.
            is_json: It is JSON.
            is_held: Release nothing before the end, whatever the rules are.
            context: What the text belongs to.
        """
        self.plan = plan
        self.path = path
        self.halt: Halt | None = None
        self.context = context
        self.edits: list[Edit] = []
        self._known = known
        self._name = name
        self._is_json = is_json
        self._holds = is_held or plan.holds_all
        self._looks = bool(plan.span_shapes or plan.sentence_runs or known)
        self._parts: list[str] = []
        self._length = 0
        self._out: list[str] = []
        self._released = 0
        self._written = 0
        self._strings = JsonStrings() if is_json else None
        self._tail = ""
        self._base = 0  # where the tail begins in the text
        self._read_again_at = 0
        self._mark = ""  # of the rewrite that the tail begins with, where it is shown already
        self._rows: list[Span] = []  # matches that the tail must not cut
        self._pending: list[Said] = []  # what was said and is not recorded yet
        self._sentence_at = 0
        self._sentence_read = 0
        self._recorded: list[Said] = []
        self._end: Settled | None = None
        self._is_over = False

    @property
    def text(self) -> str:
        """All that has come."""
        return "".join(self._parts)

    @property
    def released(self) -> int:
        """Up to where the text was released."""
        return self._released

    @property
    def length(self) -> int:
        """How long it is, up to here."""
        return self._length

    @property
    def holds(self) -> bool:
        """Whether nothing of it is released before its end."""
        return self._holds

    @property
    def has_ended(self) -> bool:
        """Whether all local detectors have looked at all of it."""
        return self._end is not None

    @property
    def seen(self) -> Seen:
        """What was said, for the record."""
        abouts = dict.fromkeys(replace(said.about, path=self.path) for said in self._recorded)
        return Seen(
            findings=tuple(about for about in abouts if isinstance(about, Finding)),
            unchecked=tuple(about for about in abouts if not isinstance(about, Finding)),
        )

    def effort(self, more: str) -> int:
        """About how much work it is to take so much more, as ``aside`` counts it."""
        if self._holds or self.halt is not None or not self._looks:
            return 0
        if len(self._tail) + len(more) < self._read_again_at:
            return 0
        many = _OF_SENTENCE if self.plan.sentence_runs else 1
        return many * effort(self._tail + more)

    def feed(self, text: str) -> str:
        """Take more of the text; give what can be released now, rewritten."""
        self._parts.append(text)
        self._length += len(text)
        if self._holds or self.halt is not None:
            return ""
        if not self._looks:
            return self._put_out(text, self._length)
        self._tail += text
        if len(self._tail) < self._read_again_at or self._is_inside_sentence():
            return ""
        at = self._released - self._base
        ready = self._quick(at)
        if ready is None:
            return self._careful()
        text = self._tail[at:ready]
        if self._strings is not None:
            self._strings.move(text)
        self._put_out(text, self._base + ready)
        self._trim()
        return text

    def _is_inside_sentence(self) -> bool:
        """Whether a sentence has to be judged whole, and no other has ended since the last look."""
        if not self.plan.sentence_runs:
            return False
        if SENTENCE_END.search(self._tail, self._sentence_read - self._base) is not None:
            return False
        # A full stop at the very end is looked at again with what follows it.
        self._sentence_read = max(self._sentence_at, self._length - 1)
        return True

    def _quick(self, at: int) -> int | None:
        """Up to where the tail is certain, where that is soon said."""
        tail = self._tail
        if self.plan.sentence_runs or (self._is_json and "\\" in tail):
            return None
        if self._known and self._known.may_stand_in(tail, at):
            return None
        return certain_up_to(self.plan, Tail(tail, at, self._is_json, is_end=False))

    def _careful(self) -> str:
        settled = self._settle(is_end=False)
        made = self._cut(settled, settled.open_at)
        if self.plan.has_windows:
            self._rows += settled.matches
        out = self._take(made, settled) + self._show_mark(made, settled.open_at)
        held = self._length - self._released
        self._read_again_at = len(self._tail) + held // 8 if held > _LONG_HOLD else 0
        return out

    def end(self) -> None:
        """Nothing more comes: let the local detectors say what they have to say. May take long."""
        if self._end is not None:
            return
        text = self.text
        if self._holds:
            self._tail = text
        self._end = self._settle(is_end=True)
        seen = inspect_with(
            self.plan.late_runs, self.plan, text, is_json=self._is_json, context=self.context
        )
        self._pending += self._about_whole(seen, self.plan.late_runs)
        self._pending += (
            Said(PSEUDONYM, unknown_token(*span), *span)
            for span in self._known.unknown_in(text, is_json=self._is_json)
        )

    def add(self, seen: Seen) -> None:
        """Take what detectors that are waited for said about the text."""
        self._pending += self._about_whole(seen, self.plan.awaited)

    def passage(self) -> Passage:
        """The whole text as it came."""
        return Passage(self.text, is_json=self._is_json, context=self.context)

    def passing(self) -> Rewritten:
        """The whole text as it would be passed on, if nothing more were said of it."""
        if self._is_over or self._end is None:
            return Rewritten("".join(self._out), tuple(self.edits))
        strings = None if self._strings is None else replace(self._strings)
        rest = self._rest(self._cut(self._end, None), strings)
        edits = (*self.edits, *self._moved(rest.edits))
        return Rewritten("".join(self._out) + rest.text, edits)

    def would_halt(self) -> Halt | None:
        """Where the text has to stop, given all that was said; after the end."""
        return self.halt if self._end is None else self._cut(self._end, None).halt

    def steers(self) -> list[str]:
        """What rules add at the end of the answer because of this text; after the end."""
        said = [] if self._end is None else self._recorded + self._end.said + self._pending
        made = [ruling for each in said for ruling in rulings_on(self.plan, each.ref, each.about)]
        return [r.rule.append for r in made if r.action is Action.STEER and r.rule.is_enforced]

    def release(self) -> str:
        """What is left, after the end; where the text has to stop, ``halt`` says so."""
        if self._is_over or self._end is None:
            return ""
        return self._take(self._cut(self._end, None), self._end)

    def conclude(self) -> None:
        """Nothing more is released: record what detectors say of the text as far as it came."""
        self.end()
        if self._end is not None:
            self._recorded += self._end.said + self._pending
            self._pending = []
        self._is_over = True

    def _settle(self, *, is_end: bool) -> Settled:
        """What is certain in the tail, with offsets of the whole text."""
        at = self._released - self._base
        tail = Tail(self._tail, at, self._is_json, is_end, self.context)
        settled = settle(self.plan, self._known, tail).moved(self._base)
        if self.plan.sentence_runs:
            self._read_sentences(is_end=is_end)
            settled.open_at = min(settled.open_at, self._sentence_at)
        return settled

    def _read_sentences(self, *, is_end: bool) -> None:
        """Ask the detectors that judge a sentence at a time about those that have ended."""
        ends = [
            match.end() + self._base
            for match in SENTENCE_END.finditer(self._tail, self._sentence_read - self._base)
        ]
        if is_end and self._length > (ends[-1] if ends else self._sentence_at):
            ends.append(self._length)
        for end in ends:
            sentence = self._tail[self._sentence_at - self._base : end - self._base]
            self._pending += self._said_of_sentence(sentence, self._sentence_at)
            self._sentence_at = end
        # A full stop at the very end is looked at again with what follows it.
        self._sentence_read = max(self._sentence_at, self._length - 1)

    def _said_of_sentence(self, sentence: str, start: int) -> Iterator[Said]:
        passage = Passage(sentence, is_json=self._is_json, is_whole=False, context=self.context)
        for run in self.plan.sentence_runs:
            detection = inspect_run(run, passage)
            if isinstance(detection, Unchecked):
                yield Said(run.ref, outage(run.ref, detection), start, start)
            elif isinstance(detection, Found):
                for finding in detection.findings:
                    yield Said(run.ref, finding, finding.start, finding.end).moved(start)

    def _about_whole(self, seen: Seen, runs: Sequence[Run]) -> Iterator[Said]:
        """What was said by detectors that judge the whole text, or for rules that hold nothing.

        The first kind stops the text before its beginning. The second finds nothing to stop it
        for, but may be out: then the text ends where it ends, and is not followed by more.
        """
        by_key = {(run.ref.detector, run.ref.spec): run for run in runs}
        atoms = self._end.atoms if self._end is not None else Places(())
        abouts: list[Finding | UncheckedRun] = [*seen.findings, *seen.unchecked]
        for about in abouts:
            run = by_key[about.detector, about.spec]
            stops_at = 0 if self.plan.can_act(run) else self._length
            whole = (0, self._length)
            span = place_of(about, self._length) if isinstance(about, Finding) else whole
            if not atoms.cover(*span):
                yield Said(run.ref, about, *span, stops_at)

    def _cut(self, settled: Settled, open_at: int | None) -> Cut:
        uncut = Places(())
        if self._is_json:
            uncut = escapes(self._tail, self._base, is_end=open_at is None)
        edges = Edges(settled.atoms, settled.matches, uncut)
        said = settled.said + self._pending
        return cut(self.plan, self.path, said, edges, open_at, self._length)

    def _take(self, made: Cut, settled: Settled) -> str:
        """Release what a cut allows, and record what was said of it."""
        self.halt = made.halt
        self._is_over = made.halt is not None or self._end is not None
        for each in settled.said:
            if self._is_over or each.end <= made.at:
                self._recorded.append(each)
        waiting = [each for each in self._pending if not self._is_over and each.end > made.at]
        self._recorded += (each for each in self._pending if each not in waiting)
        self._pending = waiting
        rest = self._rest(made, self._strings)
        self.edits += self._moved(rest.edits)
        is_ahead = bool(self._mark) and made.at > self._released
        shown, self._mark = (self._mark, "") if is_ahead else ("", self._mark)
        if not rest.text.startswith(shown):
            raise DetectorError("a mark was shown for a text that is not hidden after all")
        self._put_out(rest.text, made.at)
        self._trim()
        return rest.text[len(shown) :]

    def _show_mark(self, made: Cut, open_at: int) -> str:
        """The mark of the rewrite that the tail begins with, where nothing can change that.

        The text stays in the tail: more may be found in it, such as a word whose end is not seen.
        """
        at, tail, base = self._released, self._tail, self._base
        first = next(
            (each for each in made.rewrites if each.start == at < open_at < each.end), None
        )
        is_plain = tail.isascii() and not (self._is_json or self._known or self._mark)
        if first is None or first.action is not Action.MASK or not is_plain:
            return ""
        if self.halt is not None or not self.plan.may_show_mark(tail, at - base, first.end - base):
            return ""
        self._mark = MARK
        return MARK

    def _rest(self, made: Cut, strings: JsonStrings | None) -> Rewritten:
        """What a cut allows of the text that is not released yet, with offsets from there."""
        start = self._released
        return rewritten(
            self._tail[start - self._base : made.at - self._base],
            [each.moved(-start) for each in made.rewrites if each.end <= made.at],
            self._name,
            strings,
        )

    def _moved(self, edits: Iterable[Edit]) -> Iterator[Edit]:
        read, written = self._released, self._written
        for edit in edits:
            yield Edit(
                edit.start + read, edit.end + read, edit.new_start + written, edit.new_end + written
            )

    def _put_out(self, text: str, upto: int) -> str:
        self._out.append(text)
        self._written += len(text)
        self._released = upto
        return text

    def _trim(self) -> None:
        """Forget what is released, but for what detectors want to see before what comes."""
        at = self._released - self._base
        keep = self.plan.left_context
        if at <= keep + max(_LONG_CONTEXT, keep // 2):
            return
        first = at - keep if self._tail.isascii() else self._seen_from(at, keep)
        if self._is_json:
            first = escapes(self._tail).before(first)
        for start, end in sorted(self._rows, reverse=True):
            begin = start - self._base
            if begin < first < end - self._base and at - begin <= _CHAIN:
                first = max(begin, 0)
        self._tail = self._tail[first:]
        self._base += first
        self._rows = [row for row in self._rows if row[1] > self._base]

    def _seen_from(self, at: int, keep: int) -> int:
        """From where on each layer of the released part has as many code points as are wanted."""
        first = at
        for layer in Passage(self._tail[:at], is_json=self._is_json, is_whole=False).layers:
            place = len(layer.text) - keep
            first = min(first, layer.span(place, place + 1)[0] if place > 0 else 0)
        return first
