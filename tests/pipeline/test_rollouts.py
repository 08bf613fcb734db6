"""Rollouts over a real ledger: how they go on, come back, and survive whatever runs them."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from app.catalog.rollouts import rollouts_of
from app.domain.conduct import Conduct, Measured
from app.domain.record import CONSOLE, Assigned
from app.domain.rollout import Finding, Move, Phase, Standing, move_after, standing_of
from app.ledger.ledger import Ledger
from app.ledger.verify import Broken, Damage, Intact, verify
from app.main import load_project
from app.pipeline.loaded import Loaded
from app.pipeline.rollouts import Rollouts
from app.telemetry.metrics import Metrics
from tests.ledger.exchanges import StandingClock, closing, counting, opening

_PERSONA = """
extends: lexi
behaviours:
  - {id: numbered, verify: {pattern: '(?m)^1[.]'}}
variants:
  - {id: new, set: {name: New}}
  - {id: other}
rollout:
  variant: new
  steps: [10, 50, 100]
  hold: 1h
  min_samples: 20
  settle: 10m
  gates:
    - {metric: "adherence:numbered", no_worse_by: 0.5}
    - {metric: refusal_rate, no_worse_by: 0.5}
"""


@dataclass
class Stage:
    """A ledger, a clock that is told the time, and rollouts that are looked at by hand."""

    root: Path
    ledger: Ledger
    clock: StandingClock
    loaded: Loaded
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def rollouts(self) -> Rollouts:
        """As a process has them that has just started."""
        return Rollouts(self.ledger, lambda: self.loaded, Metrics(), self.clock, {})

    def read(self) -> None:
        """Take the files as they are now."""
        self.loaded = load_project(self.root, reads_secrets=False).load()

    async def traffic(  # noqa: PLR0913  # what an exchange may be like
        self,
        count: int,
        *,
        variant: str | None,
        held: bool = True,
        assigned: Assigned = Assigned.DRAWN,
        session: str | None = None,
        persona: str = "shared",
        dialect: str = "openai_chat",
    ) -> None:
        """Exchanges of one version, a second apart."""
        conduct = Conduct.HELD if held else Conduct.FAILED
        told = (Measured("numbered", conduct),)
        openings, closings = [], []
        for _ in range(count):
            self.clock.go(seconds=1)
            name = f"x{next(self.numbers):06}"
            at = self.clock.now()
            openings.append(
                opening(
                    name,
                    at=at,
                    persona=persona,
                    variant=variant,
                    assigned=assigned,
                    session=session,
                    dialect=dialect,
                    shadow_of="shown" if assigned is Assigned.SHADOW else None,
                )
            )
            closings.append(closing(name, at=at, behaviours=told))
        await asyncio.gather(*map(self.ledger.open, openings))
        await asyncio.gather(*map(self.ledger.close, closings))

    async def standing(self) -> Standing:
        """Where the rollout stands, as the ledger has it."""
        planned = self.loaded.rollouts["shared"]
        return standing_of(planned, await self.ledger.moves(planned.id))

    async def look(self, *more: Rollouts, after: timedelta = timedelta(hours=1)) -> Standing:
        """Let time pass, and processes look."""
        self.clock.at += after
        for each in more or (self.rollouts(),):
            await each.look()
        return await self.standing()


@asynccontextmanager
async def stage(root: Path) -> AsyncIterator[Stage]:
    """Set it up, with a rollout that has begun."""
    (root / "personas/shared.yaml").write_text(_PERSONA, "utf-8")
    clock = StandingClock()
    url = f"sqlite:///{root / 'ledger.db'}"
    ledger = await Ledger.start(url, root / "ledger.key", clock, counting("w"))
    try:
        made = Stage(root, ledger, clock, load_project(root, reads_secrets=False).load())
        await made.rollouts().look()
        yield made
    finally:
        await ledger.stop()


async def test_a_good_variant_comes_to_everybody_step_by_step(root: Path) -> None:
    """It would go on without evidence, not at all, or leave no trace of why."""
    async with stage(root) as at:
        running = at.rollouts()
        planned = at.loaded.rollouts["shared"]
        assert running.shares == {}
        await running.stand()
        assert running.shares == {planned.id: 10}
        assert (await at.look(running)).percent == 10, "nothing was seen yet"
        standing = await at.standing()
        for expected in (50.0, 100.0):
            await at.traffic(40, variant="new")
            await at.traffic(40, variant=None)
            await at.traffic(5, variant="other", held=False)
            standing = await at.look(running)
            assert standing.percent == expected
            assert running.shares == {planned.id: expected}
        assert standing.phase is Phase.COMPLETED
        await at.traffic(60, variant="new", held=False)
        assert (await at.look(running)).phase is Phase.COMPLETED, "there is nobody to compare with"
        begin, first, second = await at.ledger.moves(planned.id)
        assert [each.move for each in (begin, first, second)] == [Move.BEGIN, Move.STEP, Move.STEP]
        for move in (first, second):
            assert [each.finding for each in move.evidence] == [Finding.HOLDS] * 2
            assert [each.variant.samples for each in move.evidence] == [40, 40]
            assert [each.control.samples for each in move.evidence] == [40, 40]
            assert move.evidence[0].variant.mean == 1
            assert move.evidence[1].variant.mean == 0
            assert (move.by, move.why) == ("", "every gate holds")


async def test_a_worse_variant_is_returned_at_once(root: Path) -> None:
    """Users would be left with a variant that its gates have found worse."""
    async with stage(root) as at:
        running = at.rollouts()
        await at.traffic(60, variant="new", held=False)
        await at.traffic(60, variant=None)
        standing = await at.look(running, after=timedelta(minutes=11))
        assert (standing.phase, standing.percent) == (Phase.RETURNED, 0)
        planned = at.loaded.rollouts["shared"]
        assert running.shares == {planned.id: 0}
        last = (await at.ledger.moves(planned.id))[-1]
        broken, holds = last.evidence
        assert (broken.finding, holds.finding) == (Finding.BROKEN, Finding.HOLDS)
        assert broken.worse_by[0] > 0.5
        assert last.why.startswith("adherence:numbered is worse by 0.")
        assert isinstance(await at.ledger.verify(), Intact)
        # The same files do not begin again by themselves; a new process knows as well.
        await at.traffic(60, variant=None)
        assert (await at.look(at.rollouts(), running)).phase is Phase.RETURNED


async def test_a_restart_goes_on_with_the_same_evidence(root: Path) -> None:
    """A crash would forget what was seen, or begin the step anew."""
    async with stage(root) as at:
        first = at.rollouts()
        await at.traffic(18, variant="new")
        await at.traffic(18, variant=None)
        await at.look(first)
        second = at.rollouts()
        await second.stand()
        assert list(second.shares.values()) == [10]
        await at.traffic(22, variant="new")
        await at.traffic(22, variant=None)
        assert (await at.look(second)).percent == 50
        planned = at.loaded.rollouts["shared"]
        last = (await at.ledger.moves(planned.id))[-1]
        assert {each.variant.samples for each in last.evidence} == {40}


async def test_of_several_processes_one_makes_each_move(root: Path) -> None:
    """Replicas would step twice, or one bring back what another has returned."""
    async with stage(root) as at:
        replicas = [at.rollouts() for _ in range(3)]
        await at.traffic(40, variant="new")
        await at.traffic(40, variant=None)
        at.clock.go(hours=1)
        planned = at.loaded.rollouts["shared"]
        behind = await at.standing()
        for each in replicas:
            await each.look()
        assert {each.shares[planned.id] for each in replicas} == {50}
        # One that looked before the others moved, and writes after them.
        again = move_after(planned, behind, Move.STEP, at=at.clock.now(), why="late", catalog="c")
        assert await at.ledger.move(again) is False
        moves = await at.ledger.moves(planned.id)
        assert [each.number for each in moves] == [1, 2]
        assert all(each.why != "late" for each in moves)


async def test_only_sessions_that_chance_has_shared_count_and_each_once(root: Path) -> None:
    """Whoever asks for a variant by name, or talks a lot, would decide for everybody."""
    async with stage(root) as at:
        await at.traffic(40, variant=None)
        await at.traffic(9, variant="new", held=False, dialect=CONSOLE)
        for assigned in (Assigned.NAMED, Assigned.SHADOW, Assigned.ALONE):
            await at.traffic(30, variant="new", held=False, assigned=assigned)
        await at.traffic(90, variant="new", held=False, session="talks a lot")
        await at.traffic(1, variant="new", session="was answered by two")
        await at.traffic(1, variant=None, session="was answered by two")
        await at.traffic(30, variant="new", held=False, persona="lexi")
        await at.traffic(38, variant="new")
        await at.traffic(1, variant="new", session="comes back")
        await at.traffic(1, variant="new", session="names it later")
        await at.traffic(
            9, variant="new", held=False, assigned=Assigned.NAMED, session="names it later"
        )
        at.clock.go(hours=1)
        await at.traffic(90, variant="new", held=False, session="comes back")
        await at.ledger.open(
            opening("open", at=at.clock.now(), persona="shared", variant="new", session="open")
        )
        assert (await at.look()).percent == 50
        planned = at.loaded.rollouts["shared"]
        last = (await at.ledger.moves(planned.id))[-1]
        adherence = last.evidence[0]
        assert adherence.variant.samples == 41
        assert adherence.variant.mean == pytest.approx(40 / 41, abs=0.005)
        assert adherence.control.samples == 40


async def test_an_operator_holds_and_a_broken_gate_returns_all_the_same(root: Path) -> None:
    """A hold would be walked over, or keep a bad variant with users."""
    async with stage(root) as at:
        planned = at.loaded.rollouts["shared"]

        async def decide(move: Move) -> None:
            standing = await at.standing()
            now = at.clock.now()
            moved = move_after(
                planned, standing, move, at=now, why="a holiday", catalog="c", by="ann"
            )
            assert await at.ledger.move(moved)

        await decide(Move.HOLD)
        await at.traffic(40, variant="new")
        await at.traffic(40, variant=None)
        standing = await at.look()
        assert (standing.phase, standing.percent) == (Phase.HELD, 10)
        await decide(Move.RESUME)
        assert (await at.look()).percent == 50, "what was seen meanwhile counts"
        await decide(Move.HOLD)
        await at.traffic(60, variant="new", held=False)
        await at.traffic(60, variant=None)
        assert (await at.look()).phase is Phase.RETURNED
        await decide(Move.RESUME)
        standing = await at.look()
        assert (standing.phase, standing.percent) == (Phase.RUNNING, 10)
        told = [(each.by, each.why) for each in await at.ledger.moves(planned.id)]
        assert ("ann", "a holiday") in told


def _another_step(text: str) -> str:
    return text.replace("steps: [10,", "steps: [20,")


def _another_variant(text: str) -> str:
    return text.replace("{name: New}", "{name: Newer}")


CHANGES: list[tuple[str, Callable[[str], str], bool]] = [
    ("personas/shared.yaml", _another_step, True),
    ("personas/shared.yaml", _another_variant, True),
    ("personas/lexi.yaml", lambda text: text.replace("Number your steps.", "Count."), True),
    ("prompts/assistant.md.j2", lambda text: f"Listen. {text}", True),
    ("personas/shared.yaml", lambda text: f"description: For all.\n{text}", False),
    ("personas/shared.yaml", lambda text: text.replace("{id: other}", "{id: another}"), False),
    ("policies/root.yaml", lambda text: text.replace("[darn]", "[darn, drat]"), False),
]


async def test_files_that_change_what_is_compared_begin_anew(root: Path) -> None:
    """What was seen of one variant would carry another to everybody."""
    async with stage(root) as at:
        await at.traffic(40, variant="new")
        await at.traffic(40, variant=None)
        running = at.rollouts()
        assert (await at.look(running)).percent == 50
        before = at.loaded.rollouts["shared"].id
        for file, change, is_anew in CHANGES:
            path = root / file
            text = path.read_text("utf-8")
            assert change(text) != text
            path.write_text(change(text), "utf-8")
            now = rollouts_of(load_project(root, reads_secrets=False).read())
            assert (now["shared"].id != before) is is_anew, file
            path.write_text(text, "utf-8")
        (root / "personas/shared.yaml").write_text(_another_variant(_PERSONA), "utf-8")
        at.read()
        standing = await at.look(running)
        assert (standing.phase, standing.percent) == (Phase.RUNNING, 10)
        assert running.shares == {at.loaded.rollouts["shared"].id: 10}


async def test_a_move_that_is_changed_by_hand_shows(root: Path) -> None:
    """Somebody could make a rollout look as if its gates had held."""
    async with stage(root) as at:
        lines = [line async for line in at.ledger.export()]
        (line,) = [line for line in lines if b'"kind":"rollout"' in line]
        assert b'"percent":10' in line
        assert isinstance(await at.ledger.verify(), Intact)
        forged = [each.replace(b'"percent":10', b'"percent":99') for each in lines]
        found = verify(forged, at=at.clock.now())
        assert isinstance(found, Broken)
        assert found.damage is Damage.CHANGED
