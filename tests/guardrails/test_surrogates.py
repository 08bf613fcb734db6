"""Surrogates look like what they stand for, and are nobody's."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.finding import Found
from app.domain.policy import PseudonymForm
from app.domain.protocols import Original
from app.guardrails.detectors import pii
from app.guardrails.known import KnownPseudonyms
from app.guardrails.passage import Passage
from app.guardrails.pseudonyms import Minter, is_token
from app.guardrails.restore import Restorer
from app.guardrails.surrogates import SURROGATES, Draw, surrogate
from tests.guardrails.building import KEY, SCOPE
from tests.guardrails.tables import rows

SURROGATE = PseudonymForm.SURROGATE
PII = pii.KIND.build(pii.PiiSettings())
CHECKED = {
    "CREDIT_CARD", "CN_BANK_CARD", "IBAN_CODE", "CN_ID", "US_SSN", "US_ITIN", "UK_NHS", "CA_SIN",
    "IN_AADHAAR", "DE_TAX_ID", "SG_NRIC_FIN", "FR_NIR", "BR_CPF",
}  # fmt: skip
"""Kinds that recognizers of others can tell to be nobody's."""


def found(category: str, value: str) -> set[str]:
    """What a value is taken for, after words that say what it is."""
    words = category.replace("_", " ").replace("TAX ID", "Steuer-ID")
    detection = PII.inspect(Passage(f"{words}: {value}."))  # type: ignore[union-attr]  # a local detector
    return {f.category for f in detection.findings} if isinstance(detection, Found) else set()


@pytest.mark.parametrize("row", rows("surrogates"))
def test_table(row: dict[str, Any]) -> None:
    """A value gets a surrogate of another form, somebody's real value, or one where none is."""
    category, value = row["category"], row["value"]
    for number in range(30):
        made = surrogate(category, value, Draw(b"%d" % number))
        assert made == surrogate(category, value, Draw(b"%d" % number))
        if "form" not in row:
            assert made is None
            continue
        assert made is not None
        assert re.fullmatch(row["form"], made), made
        assert made != value
        if category in CHECKED:
            assert category not in found(category, made), made


def test_every_kind_is_in_the_table() -> None:
    """A kind is offered that no test has looked at."""
    assert {row.values[0]["category"] for row in rows("surrogates") if "form" in row.values[0]} == (
        SURROGATES
    )


def test_what_is_checked_would_be_found() -> None:
    """The table proves nothing of a kind that recognizers do not find even where it is real."""
    reals = {
        row.values[0]["category"]: row.values[0]["value"] for row in reversed(rows("surrogates"))
    }
    unproved = {kind for kind in CHECKED if kind not in found(kind, reals[kind])}
    assert not unproved


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(SURROGATES)), st.text(max_size=30))
@example("DATE_OF_BIRTH", "0001-01-01")
@example("DATE_OF_BIRTH", "9999-12-31")
@example("CN_ID", "110105000100010019")
@example("US_ITIN", "9")
def test_any_value_gets_one_or_none(category: str, value: str) -> None:
    """A value that a detector takes for one of its kind makes a request fail."""
    minter = Minter(KEY, SCOPE)
    made = minter.mint(category, value, SURROGATE)
    assert minter.mint(category, value, SURROGATE) == made
    assert Minter(KEY, SCOPE).mint(category, value, SURROGATE) == made
    assert Minter(KEY, SCOPE, minter.minted).mint(category, value, SURROGATE) == made


def test_a_surrogate_is_of_its_scope() -> None:
    """A provider could follow a person from one session to the next."""
    mails = {
        Minter(key, scope).mint("EMAIL_ADDRESS", "a@b.example", SURROGATE)
        for key in (KEY, b"another")
        for scope in (SCOPE, replace(SCOPE, session="another"), replace(SCOPE, tenant="another"))
    }
    assert len(mails) == 6


def test_what_was_said_is_nobodys_surrogate() -> None:
    """The model's own words about one person come back as another."""
    first = Minter(KEY, SCOPE).mint("PERSON", "Mary Smith", SURROGATE)
    for said in (first, first.upper(), first.replace(" ", "\n"), f"({first}s)"):
        minter = Minter(KEY, SCOPE)
        minter.avoid(["Hello", f"Is {said} here?"])
        assert minter.mint("PERSON", "Mary Smith", SURROGATE) != first
    minter = Minter(KEY, SCOPE)
    minter.mint("PERSON", first, SURROGATE)
    assert minter.mint("PERSON", "Mary Smith", SURROGATE) != first


def test_when_all_are_taken_values_get_tokens() -> None:
    """Two values share a surrogate, and one comes back as the other."""
    minter = Minter(KEY, SCOPE)
    cards = [f"00:1a:2b:3c:{high:02x}:{low:02x}" for high in range(2) for low in range(200)]
    made = [minter.mint("MAC_ADDRESS", card, SURROGATE) for card in cards]
    assert len(set(made)) == len(cards)
    assert 150 < sum(not is_token(each) for each in made) <= 256
    known = KnownPseudonyms(minter.known)
    text = " ".join(made)
    assert Restorer(known).feed(text, is_end=True) == " ".join(cards)


@pytest.mark.parametrize(
    ("category", "value", "written"),
    [
        ("PHONE_NUMBER", "+1 212 555 7788", "{3}-{4}-{5}"),
        ("PHONE_NUMBER", "+1 212 555 7788", "({3}) {4}-{5}"),
        ("PHONE_NUMBER", "+1 212 555 7788", "+1 ({3}) {4} {5}"),
        ("PHONE_NUMBER", "+1 212 555 7788", "1.{3}.{4}.{5}"),
        ("CREDIT_CARD", "4111 1111 1111 1111", "{0}-{1}-{2}-{3}"),
        ("CREDIT_CARD", "4111 1111 1111 1111", "{0}{1}{2}{3}"),
        ("IBAN_CODE", "DE89 3704 0044 0532 0130 00", "{0}{1}{2}{3}{4}{5}"),
        ("PERSON", "Mary Smith", "**{0}** {1}"),
        ("PERSON", "Mary Smith", "{0}\n{1}"),
        ("PERSON", "Mary Smith", "{0}  {1}"),
    ],
)
def test_numbers_may_be_grouped_anew(category: str, value: str, written: str) -> None:
    """A user reads an invented number, because the model wrote it in another way."""
    minter = Minter(KEY, SCOPE)
    made = minter.mint(category, value, SURROGATE)
    parts = ["+1", "", "", *made.split()[1:]] if category == "PHONE_NUMBER" else made.split()
    text = written.format(*parts)
    restorer = Restorer(KnownPseudonyms(minter.known))
    expected = f"**{value}" if text.startswith("**") else value
    assert restorer.feed(f"Is it {text}?", is_end=True) == f"Is it {expected}?"


def test_a_bracket_that_a_number_does_not_close_stays() -> None:
    """A remark in brackets would lose the one that opens it."""
    minter = Minter(KEY, SCOPE)
    made = minter.mint("PHONE_NUMBER", "+1 212 555 7788", SURROGATE)
    bare = made.removeprefix("+1 ").replace(" ", "-")
    restorer = Restorer(KnownPseudonyms(minter.known))
    told = restorer.feed(f"Call them ({bare} by day).", is_end=True)
    assert told == "Call them (+1 212 555 7788 by day)."


@pytest.mark.parametrize("beside", ["{}s", "Mc{}", "9{}", "{}9"])
def test_a_part_of_a_longer_word_is_not_restored(beside: str) -> None:
    """Words and numbers that merely hold a surrogate are changed."""
    minter = Minter(KEY, SCOPE)
    for category, value in (("PERSON", "Mary Smith"), ("PHONE_NUMBER", "212-555-7788")):
        text = beside.format(minter.mint(category, value, SURROGATE))
        assert Restorer(KnownPseudonyms(minter.known)).feed(text, is_end=True) == text


def test_nothing_begins_inside_an_escape() -> None:
    """A line break of JSON with a word behind it would become somebody's name."""
    known = KnownPseudonyms({"Niamh": Original("PERSON", "Mary")})
    for text, count in ((r'{"a": "x\niamh"}', 0), (r'{"a": "x\nNiamh"}', 1)):
        found, _ = known.scan(text, 0, is_end=True, is_json=True)
        assert len(found) == count


def test_what_stands_far_apart_is_no_pseudonym() -> None:
    """A value would come back in place of a long row of marks that only begins as its token."""
    minter = Minter(KEY, SCOPE)
    token = minter.mint("EMAIL_ADDRESS", "a@b.c")
    known = KnownPseudonyms(minter.known)
    for marks, count in ((16, 1), (17, 0)):
        found, _ = known.scan(token[:5] + "*" * marks + token[5:], 0, is_end=True)
        assert len(found) == count


def test_behind_a_run_that_is_longer_than_is_remembered_nothing_comes_back() -> None:
    """An address could be made so long that its beginning is forgotten."""
    minter = Minter(KEY, SCOPE)
    token = minter.mint("EMAIL_ADDRESS", "a@b.c")
    known = KnownPseudonyms(minter.known)
    for length, value in ((8192, token), (8000, "a@b.c")):
        run = "https://x.test/"[:15] * (length == 8192) + "x" * length
        assert Restorer(known).feed(f"{run}{token}", is_end=True) == run + value
