"""What every engine must give: the contract of the ledger."""

import asyncio
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa

from app.domain import protocols
from app.domain.decision import Outcome
from app.domain.errors import LedgerError, RequestError
from app.domain.record import Status
from app.ledger.entries import Kind, checkpoint_line
from app.ledger.keyring import Keyring, signature_checker
from app.ledger.ledger import Ledger
from app.ledger.records import KeptText, RecordFilter
from app.ledger.schema import ENTRIES
from app.ledger.verify import Broken, Damage, Intact, verify
from tests.ledger.exchanges import NOON, TRACE, StandingClock, closing, counting, opening


async def exchange(ledger: Ledger, request_id: str, **changes: object) -> None:
    """Record a whole exchange."""
    await ledger.open(opening(request_id, **changes))  # type: ignore[arg-type]  # passed on
    await ledger.close(closing(request_id))


async def ids(ledger: Ledger, wanted: RecordFilter) -> list[str]:
    """The request ids of a page."""
    return [record.request_id for record in (await ledger.records(wanted)).records]


async def test_a_record_says_all_that_was_known(ledger: Ledger) -> None:
    """A field of an exchange is lost on its way to the record."""
    as_protocol: protocols.Ledger = ledger
    await as_protocol.open(opening("r1", subject="ada", session="s1", consent="research"))
    await as_protocol.close(closing("r1", at=NOON + timedelta(seconds=2), error="timeout"))
    record = await ledger.record("r1", tenant="acme")
    assert record is not None
    assert record.status is Status.COMPLETED
    assert record.outcome is Outcome.MASK
    assert record.opened_at == NOON
    assert record.closed_at == NOON + timedelta(seconds=2)
    said = record.opening
    assert said["trace"] == orjson.loads(orjson.dumps(TRACE, default=list))
    assert said["decisions"][0]["applied"][0]["action"] == "mask"
    for name in ("key_id", "consent", "dialect", "persona", "variant", "audience", "policy"):
        assert said[name] == getattr(opening("r1", consent="research"), name)
    for name in ("catalog", "prompt", "route", "backend", "model", "is_stream"):
        assert said[name] == getattr(opening("r1"), name)
    assert record.closing["usage"]["output_tokens"] == 34
    assert record.closing["timings"]["first_token_ms"] == 20.25
    assert record.closing["finish"] == "stop"
    assert record.closing["error"] == "timeout"
    assert record.closing["trace"] == []


async def test_an_open_exchange_is_a_record_too(ledger: Ledger) -> None:
    """An exchange that still runs is missing from the records, or looks ended."""
    await ledger.open(opening("r1"))
    record = await ledger.record("r1", tenant=None)
    assert record is not None
    assert (record.status, record.closed_at, record.closing) == (None, None, None)


async def test_one_tenant_does_not_see_another_s_record(ledger: Ledger) -> None:
    """A record leaks to another tenant by its id."""
    await exchange(ledger, "r1")
    assert await ledger.record("r1", tenant="umbrella") is None
    assert await ledger.record("r2", tenant="acme") is None


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (RecordFilter("acme"), ["r5", "r4", "r3", "r1"]),
        (RecordFilter(None), ["r5", "r4", "r3", "r2", "r1"]),
        (RecordFilter("umbrella"), ["r2"]),
        (RecordFilter("acme", persona="lexi"), ["r3"]),
        (RecordFilter("acme", outcome=Outcome.BLOCK), ["r4"]),
        (RecordFilter("acme", outcome=Outcome.ALLOW), ["r5"]),
        (RecordFilter("acme", status=Status.FAILED), ["r4"]),
        (RecordFilter("acme", since=NOON + timedelta(seconds=3)), ["r5", "r4", "r3"]),
        (RecordFilter("acme", until=NOON + timedelta(seconds=3)), ["r1"]),
        (RecordFilter("acme", subject="ada"), ["r1"]),
        (RecordFilter("umbrella", subject="ada"), ["r2"]),
        (RecordFilter("acme", session="s1"), ["r3", "r1"]),
        (RecordFilter("acme", session="s2"), []),
        (RecordFilter("acme", subject="ada", session="s1", limit=1), ["r1"]),
    ],
)
async def test_records_are_found(ledger: Ledger, wanted: RecordFilter, found: list[str]) -> None:
    """A filter lets through what it should not, or hides what it should show."""
    rows: list[tuple[str, dict[str, object]]] = [
        ("r1", {"subject": "ada", "session": "s1"}),
        ("r2", {"subject": "ada", "session": "s1", "tenant": "umbrella"}),
        ("r3", {"subject": "bob", "session": "s1", "persona": "lexi"}),
        ("r4", {}),
        ("r5", {"outcome": Outcome.ALLOW}),
    ]
    for second, (request_id, changes) in enumerate(rows, 1):
        at = NOON + timedelta(seconds=second)
        await ledger.open(opening(request_id, at=at, **changes))  # type: ignore[arg-type]  # rows above
        if request_id == "r4":
            await ledger.close(closing(request_id, status=Status.FAILED, outcome=Outcome.BLOCK))
        elif request_id != "r5":
            await ledger.close(closing(request_id))
    assert await ids(ledger, wanted) == found


async def test_pages_show_each_record_once(ledger: Ledger) -> None:
    """Paging skips or repeats records, also among those of one moment."""
    for number in range(7):
        await ledger.open(opening(f"r{number}", at=NOON + timedelta(seconds=number // 3)))
    seen: list[str] = []
    cursor = None
    for _ in range(4):
        page = await ledger.records(RecordFilter("acme", limit=2, cursor=cursor))
        seen += [record.request_id for record in page.records]
        cursor = page.cursor
    assert seen == [f"r{number}" for number in range(6, -1, -1)]
    assert cursor is None


@pytest.mark.parametrize(
    "wanted",
    [
        RecordFilter(None, subject="ada"),
        RecordFilter(None, session="s1"),
        RecordFilter("acme", limit=0),
        RecordFilter("acme", limit=1001),
        RecordFilter("acme", cursor="%%%"),
        RecordFilter("acme", cursor="bm8="),
    ],
)
async def test_senseless_wishes_are_refused(ledger: Ledger, wanted: RecordFilter) -> None:
    """A wish that cannot be met is answered with something else than an error."""
    with pytest.raises(RequestError):
        await ledger.records(wanted)


async def test_text_is_kept_only_where_the_policy_says_so(ledger: Ledger) -> None:
    """Text of an exchange is kept that should not be, or is lost that should be kept."""
    await exchange(ledger, "quiet")
    await exchange(ledger, "kept", subject="ada", keeps_content=True)
    assert await ledger.content("quiet") == ()
    assert await ledger.content("kept") == (
        KeptText(Kind.OPENING, "messages[0].content", "write to [removed]"),
        KeptText(Kind.CLOSING, "text", "I wrote to [removed]"),
    )


async def test_no_name_and_no_text_stands_in_the_export(ledger: Ledger) -> None:
    """The client's names or text can be read from an export."""
    await exchange(ledger, "r1", subject="ada@example.org", session="s-17", keeps_content=True)
    text = b"\n".join([line async for line in ledger.export()])
    for private in (b"ada@example.org", b"s-17", b"write to", b"I wrote to"):
        assert private not in text


async def test_what_has_expired_goes_and_the_chain_stays(
    ledger: Ledger, clock: StandingClock
) -> None:
    """Text or findings outlive their time, or their going breaks the chain."""
    for number in range(3):
        await exchange(
            ledger, f"r{number}", keeps_content=True, content_days=10, findings_days=20 + number
        )
    heads = await ledger.checkpoint()
    clock.go(days=9)
    assert (await ledger.purge()).contents == 0
    clock.go(days=1)
    assert (await ledger.purge()).contents == 6
    assert await ledger.content("r0") == ()
    clock.go(days=11)
    purged = await ledger.purge()
    assert (purged.contents, purged.findings) == (0, 2)
    record = await ledger.record("r1", tenant=None)
    assert record is not None
    assert record.opening["trace"] is None
    kept = await ledger.record("r2", tenant=None)
    assert kept is not None
    assert kept.opening["trace"]
    assert isinstance(await ledger.verify(heads), Intact)


async def test_an_erased_subject_is_found_no_more(ledger: Ledger) -> None:
    """After erasure a person's records can still be found, or another's cannot."""
    await exchange(ledger, "r1", subject="ada", session="s1", keeps_content=True)
    await exchange(ledger, "r2", subject="bob", session="s2", keeps_content=True)
    heads = await ledger.checkpoint()
    erased = await ledger.erase_subject("acme", "ada")
    assert (erased.exchanges, erased.contents, erased.is_scrubbed) == (1, 2, True)
    for wanted in (RecordFilter("acme", subject="ada"), RecordFilter("acme", session="s1")):
        assert await ids(ledger, wanted) == []
    assert await ids(ledger, RecordFilter("acme", subject="bob")) == ["r2"]
    assert await ledger.content("r1") == ()
    assert len(await ledger.content("r2")) == 2
    record = await ledger.record("r1", tenant="acme")
    assert record is not None
    assert record.opening["subject"] is not None
    assert isinstance(await ledger.verify(heads), Intact)
    assert (await ledger.erase_subject("acme", "ada")).exchanges == 0
    await exchange(ledger, "r3", subject="ada")
    again = await ledger.record("r3", tenant="acme")
    assert again is not None
    assert again.opening["subject"] != record.opening["subject"]


async def test_exchanges_without_a_subject_can_be_erased(ledger: Ledger) -> None:
    """Digests of text can be guessed for ever where the client names no subject."""
    await exchange(ledger, "r1", keeps_content=True)
    await exchange(ledger, "r2", tenant="umbrella", keeps_content=True)
    await exchange(ledger, "r3", subject="ada", keeps_content=True)
    assert (await ledger.erase_unnamed("acme")).exchanges == 1
    assert await ledger.content("r1") == ()
    assert len(await ledger.content("r2")) == 2
    assert len(await ledger.content("r3")) == 2


async def test_a_person_erased_during_an_exchange_leaves_no_old_key(ledger: Ledger) -> None:
    """An exchange that runs while its subject is erased goes on with the destroyed key."""
    await ledger.open(opening("r1", subject="ada", content=(("m", "same"),)))
    await ledger.erase_subject("acme", "ada")
    await ledger.close(closing("r1", content=(("text", "same"),)))
    record = await ledger.record("r1", tenant=None)
    assert record is not None
    before, after = record.opening["content"][0]["hmac"], record.closing["content"][0]["hmac"]
    assert before != after
    assert isinstance(await ledger.verify(), Intact)


async def test_equal_text_of_two_people_has_two_digests(ledger: Ledger) -> None:
    """Digests tell that two people wrote the same, or are hashes that anybody can make."""
    said = []
    for subject in ("ada", "bob"):
        await ledger.open(opening(subject, subject=subject, content=(("m", "+49 170 1234567"),)))
        record = await ledger.record(subject, tenant=None)
        assert record is not None
        said.append(record.opening["content"][0]["hmac"])
    assert said[0] != said[1]


async def test_an_entry_that_cannot_be_written_fails_alone(ledger: Ledger) -> None:
    """One bad entry takes others of its transaction with it, or is swallowed."""
    bad = opening("bad", consent="\ud800")
    naive = opening("naive", at=NOON.replace(tzinfo=None))
    answers = await asyncio.gather(
        ledger.open(opening("r1")),
        ledger.open(bad),
        ledger.open(naive),
        ledger.open(opening("r2")),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [
        type(None),
        LedgerError,
        LedgerError,
        type(None),
    ]
    assert isinstance(await ledger.verify(), Intact)


async def test_a_second_closing_of_one_moment_is_refused(ledger: Ledger) -> None:
    """Two closings of one transaction undo each other, or do not say what is wrong."""
    answers = await asyncio.gather(
        ledger.open(opening("r1")),
        ledger.close(closing("r1")),
        ledger.close(closing("r1")),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [type(None), type(None), LedgerError]
    assert "not open" in str(answers[2])


async def test_a_second_record_is_refused_also_after_a_restart(
    url: str, key_file: Path, clock: StandingClock
) -> None:
    """Two records can be had for one exchange by asking in another process."""
    first = await Ledger.start(url, key_file, clock, counting("first"))
    await exchange(first, "r1")
    await first.stop()
    second = await Ledger.start(url, key_file, clock, counting("second"))
    answers = await asyncio.gather(
        second.open(opening("r0")), second.open(opening("r1")), return_exceptions=True
    )
    assert answers[0] is None
    assert isinstance(answers[1], LedgerError)
    result = await second.verify()
    assert isinstance(result, Intact)
    assert [head.writer for head in result.heads] == ["first-000001"]
    await second.stop()


async def test_a_live_writer_keeps_its_exchanges_and_its_chain(
    url: str, key_file: Path, clock: StandingClock
) -> None:
    """A second process closes exchanges that the first one still serves, or shares its chain."""
    first = await Ledger.start(url, key_file, clock, counting("first"))
    await first.open(opening("r1"))
    second = await Ledger.start(url, key_file, clock, counting("second"))
    record = await second.record("r1", tenant=None)
    assert record is not None
    assert record.status is None
    await second.open(opening("r2"))
    with pytest.raises(LedgerError, match="not open"):
        await second.close(closing("r1"))
    await first.close(closing("r1"))
    result = await second.verify()
    assert isinstance(result, Intact)
    assert [head.writer for head in result.heads] == ["first-000001", "second-000001"]
    await first.stop()
    await second.stop()


async def test_orphans_are_looked_for_behind_checkpoints_too(
    url: str, key_file: Path, clock: StandingClock
) -> None:
    """An exchange that stayed open while thousands ended is never closed."""
    first = await Ledger.start(url, key_file, clock, counting("first"))
    await first.open(opening("old", outcome=Outcome.BLOCK))
    for number in range(5):
        requests = [f"r{number}-{each}" for each in range(120)]
        await asyncio.gather(*(first.open(opening(each)) for each in requests))
        await asyncio.gather(*(first.close(closing(each)) for each in requests))
    await first.stop()
    second = await Ledger.start(url, key_file, clock, counting("second"))
    record = await second.record("old", tenant=None)
    assert record is not None
    assert (record.status, record.outcome) == (Status.CUT_OFF, Outcome.BLOCK)
    result = await second.verify()
    assert isinstance(result, Intact)
    assert (result.entries, result.checkpoints) == (1202, 1)
    # The checkpoint that the writer took on its way is signed.
    signed = await second.verify(is_signed=signature_checker(second.public_key))
    assert isinstance(signed, Intact)
    other = await second.verify(is_signed=signature_checker(Keyring(bytes(32)).public_key))
    assert isinstance(other, Broken)
    await second.stop()


async def test_a_key_file_of_another_ledger_is_refused(
    url: str, key_file: Path, tmp_path: Path, clock: StandingClock
) -> None:
    """A ledger runs on with a key that finds nothing of what it holds."""
    first = await Ledger.start(url, key_file, clock, counting("first"))
    await first.stop()
    other = await Ledger.start(
        f"sqlite:///{tmp_path / 'other.db'}", tmp_path / "other.key", clock, counting("other")
    )
    await other.stop()
    with pytest.raises(LedgerError, match="not the one"):
        await Ledger.start(url, tmp_path / "other.key", clock, counting("second"))
    for _ in range(2):
        with pytest.raises(LedgerError, match="Restore it"):
            await Ledger.start(url, tmp_path / "lost.key", clock, counting("third"))


async def test_a_stopped_ledger_refuses(ledger: Ledger) -> None:
    """An entry after the end waits for ever, or seems to be kept."""
    await ledger.stop()
    with pytest.raises(LedgerError, match="stopped"):
        await ledger.open(opening("r1"))


async def test_a_task_that_fails_fails_alone(ledger: Ledger) -> None:
    """A failing write undoes an entry of the same transaction that was acknowledged."""

    def fail(_transaction: object) -> None:
        raise ZeroDivisionError

    answers = await asyncio.gather(
        ledger.open(opening("r1")),
        ledger.store.do(fail),
        ledger.open(opening("r2")),
        return_exceptions=True,
    )
    assert answers[0] is None
    assert isinstance(answers[1], ZeroDivisionError)
    assert answers[2] is None
    assert await ids(ledger, RecordFilter("acme")) == ["r2", "r1"]


async def test_checkpoints_are_signed(
    ledger: Ledger, url: str, key_file: Path, clock: StandingClock
) -> None:
    """Whoever changes the place where checkpoints are kept could forge them."""
    await ledger.open(opening("r1"))
    (head,) = await ledger.checkpoint()
    lines = [line async for line in ledger.export()]
    pem = ledger.public_key
    await ledger.close(closing("r1"))
    is_signed = signature_checker(pem)
    assert isinstance(await ledger.verify([head], is_signed=is_signed), Intact)
    signature = head[head.index(b',"signature"') : -1]
    other = Keyring(bytes(32))
    raw = head[head.index(b":{") + 1 : -len(signature) - 1]
    for forged in (
        head.replace(signature, b""),
        head.replace(signature, b',"signature":null'),
        head.replace(signature, b',"signature":"AAAA"'),
        head.replace(signature, b',"signature":"no base64"'),
        checkpoint_line(raw, other.sign(raw)),
        checkpoint_line(raw.replace(b'"seq":1', b'"seq":2'), signature[14:-1].decode()),
    ):
        found = verify(lines, at=clock.now(), checkpoints=[forged], is_signed=is_signed)
        assert isinstance(found, Broken), forged
        assert found.damage is Damage.FORGED_SIGNATURE, forged
        # Among the export's own lines, too: those of its checkpoints.
        found = verify([forged, *lines], at=clock.now(), is_signed=is_signed)
        assert isinstance(found, Broken)
        assert found.damage is Damage.FORGED_SIGNATURE
    again = await Ledger.start(url, key_file, clock, counting("again"))
    assert again.public_key == pem, "the key changes with the process"
    await again.stop()
    assert other.public_key != pem


@pytest.mark.parametrize("pem", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n"])
def test_what_is_no_key_checks_nothing(pem: bytes) -> None:
    """Any signature would count, or none, and nobody be told why."""
    with pytest.raises(LedgerError, match="banneton records key"):
        signature_checker(pem)


async def test_a_changed_entry_shows_in_verify(ledger: Ledger) -> None:
    """An entry can be changed in the database without a trace."""
    await exchange(ledger, "r1")
    changed = sa.update(ENTRIES).values(body=sa.func.replace(ENTRIES.c.body, "tutor", "rotut"))
    await ledger.store.do(lambda transaction: transaction.connection.execute(changed).rowcount)
    assert not isinstance(await ledger.verify(), Intact)


@pytest.mark.parametrize(
    "url", ["mysql://host/ledger", "no url", "sqlite://", "sqlite:///:memory:"], ids=repr
)
async def test_other_databases_are_refused(url: str, key_file: Path, clock: StandingClock) -> None:
    """A ledger starts on something that cannot keep it."""
    with pytest.raises(LedgerError):
        await Ledger.start(url, key_file, clock, counting("writer"))
