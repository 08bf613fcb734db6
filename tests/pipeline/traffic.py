"""Traffic of weeks in a ledger, made up: who kept to a behaviour, and what users said of it."""

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from app.domain.conduct import Conduct, Measured
from app.domain.feedback import Said, Satisfaction, Scale, Target, TargetKind, TaskOutcome
from app.domain.record import CONSOLE, Closing, Opening
from app.ledger.feedback import Giving
from app.ledger.ledger import Ledger
from tests.ledger.exchanges import NOON, StandingClock, closing, counting, opening

OLD, NEW = "sha256:" + "0" * 64, "sha256:" + "1" * 64
SESSIONS, BROKEN_FROM = 240, 150
EVERY = timedelta(hours=1)
STEADY, FALLEN = 0.9, 0.5


def at(number: int) -> datetime:
    """When a session began."""
    return NOON + EVERY * number


def sessions() -> Sequence[tuple[Opening, Closing]]:
    """Of two personas: one does worse from a new catalog on, the other is as it was.

    The last one was tried out by an author, and is no user's.
    """
    rng = random.Random(4)  # noqa: S311  # nothing secret
    made = []
    for number in range(SESSIONS):
        for persona in ("breaking", "steady"):
            is_broken = persona == "breaking" and number >= BROKEN_FROM
            conduct = Conduct.FAILED
            if rng.random() < (FALLEN if is_broken else STEADY):
                conduct = Conduct.HELD
            name, when = f"{persona}-{number}", at(number)
            opened = opening(
                name,
                at=when,
                session=name,
                persona=persona,
                variant="warmer" if number % 2 else None,
                catalog=NEW if number >= BROKEN_FROM else OLD,
                trace=(),
            )
            measured = (Measured("cites", conduct), Measured("late", Conduct.NOT_SCORED))
            made.append((opened, closing(name, at=when, behaviours=measured)))
    tried = opening("tried", at=at(SESSIONS - 1), persona="steady", dialect=CONSOLE, trace=())
    failed = (Measured("cites", Conduct.FAILED),)
    made.append((tried, closing("tried", at=at(SESSIONS - 1), behaviours=failed)))
    return made


def opinions() -> Sequence[Giving]:
    """What users said of some of the sessions: every fourth, and two stars from the change on."""
    return [
        Giving(
            f"f{number}",
            at(number),
            "acme",
            "key",
            Target(TargetKind.SESSION, f"breaking-{number}"),
            f"breaking-{number}",
            Said(
                Satisfaction(Scale.STARS, 2 if number >= BROKEN_FROM else 5),
                TaskOutcome.FAILED if number >= BROKEN_FROM else TaskOutcome.COMPLETED,
            ),
            b"",
        )
        for number in range(0, SESSIONS, 4)
    ]


async def filled(folder: Path, clock: StandingClock) -> Ledger:
    """A ledger with all of it."""
    url = f"sqlite:///{folder / 'ledger.db'}"
    ledger = await Ledger.start(url, folder / "ledger.key", clock, counting("writer"))
    every = sessions()
    await asyncio.gather(*(ledger.open(each) for each, _ in every))
    await asyncio.gather(*(ledger.close(each) for _, each in every))
    await asyncio.gather(*(ledger.give_feedback(each) for each in opinions()))
    return ledger
