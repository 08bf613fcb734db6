"""Feedback in the ledger: kept once, chained, sealed, and its texts gone with the person."""

import sqlite3
from contextlib import closing as closing_at_end
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import RequestError
from app.domain.feedback import (
    Consent,
    Correction,
    Purpose,
    Said,
    Satisfaction,
    Scale,
    Target,
    TargetKind,
    TaskOutcome,
    standings,
)
from app.ledger.feedback import FeedbackFilter, Giving
from app.ledger.ledger import Ledger
from app.ledger.verify import Broken, Damage, Intact
from tests.ledger.exchanges import NOON, StandingClock, counting, opening

TEXT = "a word of my own"
SAID = Said(
    Satisfaction(Scale.STARS, 4),
    TaskOutcome.COMPLETED,
    Correction(2, TEXT),
    TEXT,
    TEXT,
    Consent((Purpose.TRAIN,), "terms-3"),
)
REQUEST = Target(TargetKind.REQUEST, "r1")
ONE = Giving("f1", NOON, "acme", "key-1", REQUEST, "r1", SAID, b"all of it", wish="mine")
EVERYBODY = FeedbackFilter(tenant=None)


async def test_what_was_said_is_read_as_it_was_said(ledger: Ledger) -> None:
    """A star, a turn or a consent is lost between the call and whoever counts it."""
    await ledger.open(opening("r1", subject="ann", session="s", variant="warmer"))
    kept = await ledger.give_feedback(ONE)
    assert kept is not None
    assert await ledger.feedback_about("r1") == (kept,)
    assert await ledger.feedback(EVERYBODY) == (kept,)
    assert kept.said == SAID
    assert (kept.persona, kept.variant, kept.about) == ("tutor", "warmer", REQUEST)
    record = await ledger.record("r1", tenant=None)
    assert record is not None
    assert kept.catalog == record.opening["catalog"]


async def test_the_same_again_is_one_and_another_under_its_id_is_refused(ledger: Ledger) -> None:
    """A client that asks again after a timeout is counted twice, or changes what it said."""
    await ledger.open(opening("r1"))
    first = await ledger.give_feedback(ONE)
    assert await ledger.give_feedback(replace(ONE, id="f2")) == first
    with pytest.raises(RequestError) as refused:
        await ledger.give_feedback(replace(ONE, id="f3", original=b"another"))
    assert refused.value.code == "conflict"
    assert await ledger.feedback(EVERYBODY) == (first,)
    other = await ledger.give_feedback(replace(ONE, id="f4", tenant="other"))
    assert other is None


async def test_feedback_of_a_session_and_of_a_person_is_about_their_exchanges(
    ledger: Ledger,
) -> None:
    """A session's rating, or a person's no, is missing where one of its exchanges is looked at."""
    for number, subject in enumerate(("ann", "ann", "bob")):
        await ledger.open(opening(f"r{number}", subject=subject, session=f"s{number}"))
    session = Target(TargetKind.SESSION, "s1")
    await ledger.give_feedback(replace(ONE, about=session, wish=None))
    person = Target(TargetKind.SUBJECT, "ann")
    consent = Said(consent=Consent())
    await ledger.give_feedback(replace(ONE, id="f2", about=person, said=consent, wish=None))
    found = {
        f"r{number}": [each.id for each in await ledger.feedback_about(f"r{number}")]
        for number in range(3)
    }
    assert found == {"r0": ["f2"], "r1": ["f1", "f2"], "r2": []}
    await ledger.open(opening("r3"))
    assert await ledger.feedback_about("r3") == ()
    record = await ledger.record("r1", tenant=None)
    assert record is not None
    held = standings(await ledger.feedback_about("r1"))
    assert {(each.kind, each.name) for each in held} == {
        ("session", record.opening["session"]),
        ("subject", record.opening["subject"]),
    }


async def test_erasing_a_person_destroys_their_words_and_no_link_of_the_chain(
    ledger: Ledger, tmp_path: Path
) -> None:
    """Somebody who was erased can be read on, or the verifier takes an erasure for damage."""
    for number, subject in enumerate(("ann", "bob", None)):
        await ledger.open(opening(f"r{number}", subject=subject, session="shared"))
        about = Target(TargetKind.REQUEST, f"r{number}")
        await ledger.give_feedback(
            replace(ONE, id=f"f{number}", about=about, request_id=f"r{number}", wish=f"w{number}")
        )
    session = Target(TargetKind.SESSION, "shared")
    await ledger.give_feedback(replace(ONE, id="f3", about=session, wish=None))
    await ledger.erase_subject("acme", "ann")
    texts = {each.id: bool(each.said.texts) for each in await ledger.feedback(EVERYBODY)}
    assert texts == {"f0": False, "f1": True, "f2": True, "f3": False}
    [left] = await ledger.feedback_about("r0")
    assert left.id == "f0"
    assert left.said.satisfaction == SAID.satisfaction
    assert left.given == tuple(SAID.texts)
    assert isinstance(await ledger.verify(), Intact)
    again = replace(ONE, about=Target(TargetKind.REQUEST, "r0"), request_id="r0", wish="w0")
    assert await ledger.give_feedback(again) is None
    with closing_at_end(sqlite3.connect(tmp_path / "ledger.db")) as db:
        ways = "SELECT owner, session, wish, sealed FROM feedback WHERE id = 'f0'"
        assert db.execute(ways).fetchone() == (None, None, None, None)


async def test_what_was_said_cannot_be_changed_unseen(ledger: Ledger) -> None:
    """Whoever can write the database makes a persona look better than its users found it."""
    await ledger.open(opening("r1"))
    await ledger.give_feedback(ONE)
    better = (
        "UPDATE entries SET body = CAST(REPLACE(CAST(body AS TEXT), '\"value\":4', '\"value\":5')"
        " AS BLOB) WHERE kind = 'feedback'"
    )
    await ledger.store.do(
        lambda transaction: transaction.connection.exec_driver_sql(better).close()
    )
    found = await ledger.verify()
    assert isinstance(found, Broken)
    assert found.damage is Damage.CHANGED


async def test_nobody_speaks_for_another(ledger: Ledger) -> None:
    """With a claim about one person, the answers of others can be rated."""
    await ledger.open(opening("r1", subject="ann"))
    assert await ledger.give_feedback(replace(ONE, of_subject="bob")) is None
    assert await ledger.give_feedback(replace(ONE, of_subject="ann")) is not None


async def test_deleting_an_answer_takes_what_was_said_of_its_text(ledger: Ledger) -> None:
    """A client deletes an answer, and its corrected form stays."""
    for number in (1, 2):
        opened = opening(f"r{number}", content=(("text", "x"),), keeps_content=True)
        await ledger.open(opened)
        about = Target(TargetKind.REQUEST, f"r{number}")
        given = replace(ONE, id=f"f{number}", about=about, request_id=f"r{number}", wish=None)
        await ledger.give_feedback(given)
    assert await ledger.delete_content("r1", "acme", "key-1")
    texts = {each.id: bool(each.said.texts) for each in await ledger.feedback(EVERYBODY)}
    assert texts == {"f1": False, "f2": True}


async def test_texts_go_when_their_time_is_up_and_the_rest_stays(
    ledger: Ledger, clock: StandingClock
) -> None:
    """Text is kept for longer than the policy says, or a rating goes with it."""
    await ledger.open(opening("r1"))
    await ledger.give_feedback(replace(ONE, text_days=3))
    clock.go(days=2)
    assert (await ledger.purge()).feedback == 0
    clock.go(days=2)
    assert (await ledger.purge()).feedback == 1
    [left] = await ledger.feedback(EVERYBODY)
    assert left.said.texts == {}
    assert left.said.satisfaction == SAID.satisfaction
    assert left.said.correction == Correction(2)


async def test_feedback_is_not_readable_in_the_database(ledger: Ledger, tmp_path: Path) -> None:
    """A copy of the database, or an export of the chain, tells what people said."""
    await ledger.open(opening("r1", subject="ann", session="a session of ann"))
    session = Target(TargetKind.SESSION, "a session of ann")
    await ledger.give_feedback(replace(ONE, about=session, original=TEXT.encode()))
    exported = b"".join([line async for line in ledger.export()])
    with closing_at_end(sqlite3.connect(tmp_path / "ledger.db")) as db:
        whole = exported + "".join(db.iterdump()).encode("utf-8", "replace")
    for secret in (TEXT.encode(), b"a session of ann", b"mine", TEXT.encode().hex().encode()):
        assert secret not in whole


async def test_pages_hold_everything_once(ledger: Ledger, clock: StandingClock) -> None:
    """Something that was said is counted twice, or not at all, or for another tenant."""
    for number in range(7):
        tenant = "acme" if number < 5 else "other"
        await ledger.open(opening(f"r{number}", tenant=tenant))
        target = Target(TargetKind.REQUEST, f"r{number}")
        at = clock.now()
        giving = replace(ONE, id=f"f{number}", at=at, tenant=tenant, about=target, wish=None)
        await ledger.give_feedback(replace(giving, request_id=f"r{number}"))
        clock.go(seconds=number % 2)
    wanted, seen = FeedbackFilter("acme", limit=2), list[str]()
    while page := await ledger.feedback(wanted):
        seen += [each.id for each in page]
        wanted = replace(wanted, after=(page[-1].at, page[-1].id))
    assert seen == [f"f{number}" for number in range(5)]
    late = FeedbackFilter(None, since=NOON.replace(second=1), until=NOON.replace(second=2))
    assert [each.id for each in await ledger.feedback(late)] == ["f2", "f3"]


@given(st.permutations([1, 2, 3]), st.lists(st.integers(1, 3), max_size=4))
@settings(deadline=None, max_examples=15)
async def test_late_and_repeated_calls_leave_the_same_state(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], repeats: list[int]
) -> None:
    """What holds depends on which retry came through first."""
    folder = tmp_path_factory.mktemp("ledger")
    ids = counting("f")
    url = f"sqlite:///{folder / 'ledger.db'}"
    ledger = await Ledger.start(url, folder / "key", StandingClock(), counting("writer"))
    await ledger.open(opening("r1"))
    for version in [*order, *repeats]:
        said = Said(Satisfaction(Scale.STARS, version), comment=f"the {version}.")
        wish, original = f"w{version}", b"%d" % version
        giving = replace(ONE, id=ids(), said=said, version=version, wish=wish, original=original)
        await ledger.give_feedback(giving)
    every = await ledger.feedback(EVERYBODY)
    assert sorted(each.version for each in every) == [1, 2, 3]
    held = standings(every)[REQUEST]
    assert (held.satisfaction, held.comment) == (Satisfaction(Scale.STARS, 3), "the 3.")
    await ledger.stop()
