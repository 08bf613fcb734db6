"""The screen in front of the recognizers changes nothing, wherever a window begins."""

import dataclasses
import random
from collections.abc import Callable, Iterable

import pytest
import re2

from app.domain.finding import FLOOR, Finding, Found
from app.guardrails.detectors import pii
from app.guardrails.passage import Passage
from app.guardrails.recognizers.recognizer import Candidate
from app.guardrails.recognizers.scan import Scan

SEEDS = range(20)
TEXTS_PER_SEED = 100
FEW_SEEDS = range(6)
WORDS = tuple(
    """the a call me on phone number is account my passport licence card ssn born IBAN wallet NHS
    order #12 v2 B12 README.md main.py std::vector a::b x[::2] 12:30:45 3.14159265 10,000 C4
    我的手机号是 邮箱 身份证号 ，请发到 。 （ ） 和 电话： é naïve Straße
    'quoted' "q" [x] {y} <z> | / \\ email=a b@ @c d@e f@g.h
    https:// www. = & ? ... -- () + 2026-11-22 1939-1945 E5 0x1f DEADBEEF
    """.split()  # noqa: SIM905  # a list of words reads better than a list of strings
)
JOINTS = (" ", " ", " ", "\n", ", ", "", "：", "，", "; ", "\t", "(", ") ", "-", "_", "/", ".")


TOKENS = (
    *("LDDDDDDDD", "LLDDDDDDD", "LL DD DD DD L", "DDDDDDDDL", "LDDDDDDDL", "LLLLLDDDDL", "D" * 9),
    *("DDDDDD-DDDL", "DDDDDD-DDDD", "LDDD-DDDD-DDDD", "DLLD-LLD-LLDD", "LLLLLLDDLDDLDDDL"),
    *("DDDDDDDDLDDD", "LDDDDDDDDD", "DDDDDDDD-L", "LDDDLDDDD", "D DD DD DD DDD DDD DD"),
)
LOCALS = ("zhang.san", "o'brien+x", "a", "josé", "_x_", "x" * 70, "-a", "a..b")
DOMAINS = (
    *("example.com", "mail.example.co.uk", "corp.local", "x.notatld", "b.com.Thanks", "bücher.de"),
    *("localhost", "a-.com", "1.2.3", "xn--80ak6aa92e.com", "a.b.c.d.e.f.g.com"),
)


def seeded(seed: int) -> random.Random:
    """Chance that is the same in every run."""
    return random.Random(seed)  # noqa: S311  # texts, not secrets


def digits(rng: random.Random, length: int) -> str:
    """Random digits."""
    return "".join(rng.choices("0123456789", k=length))


def grouped(rng: random.Random) -> str:
    """Groups of digits with one of the separators that numbers are written with."""
    joint = rng.choice((" ", "-", ".", "/", ") ", " (", "\u00a0", "\u2013", "  ", ". ", ""))
    return joint.join(digits(rng, rng.randint(1, 6)) for _ in range(rng.randint(1, 6)))


def luhn_number(rng: random.Random, prefix: str, length: int) -> str:
    """A number with a Luhn digit."""
    body = prefix + digits(rng, length - len(prefix) - 1)
    total = sum(
        sum(divmod(int(digit) * (2 - place % 2), 10)) for place, digit in enumerate(reversed(body))
    )
    return body + str(-total % 10)


def card(rng: random.Random) -> str:
    """A card, in one run or in groups of four."""
    prefix, length = rng.choice((("4", 16), ("5399", 16), ("37", 15), ("6226", 19), ("4", 13)))
    number = luhn_number(rng, prefix, length)
    joint = rng.choice(("", " ", "-"))
    return joint.join(number[at : at + 4] for at in range(0, length, 4))


def iban(rng: random.Random) -> str:
    """A German or British IBAN, valid more often than not."""
    country, body = rng.choice((("DE", digits(rng, 18)), ("GB", "NWBK" + digits(rng, 14))))
    number = "".join(str(int(sign, 36)) for sign in f"{body}{country}00")
    check = f"{98 - int(number) % 97:02d}" if rng.random() < 0.8 else digits(rng, 2)
    whole = f"{country}{check}{body}"
    if rng.random() < 0.5:
        return whole
    return " ".join(whole[at : at + 4] for at in range(0, len(whole), 4))


def chinese_id(rng: random.Random) -> str:
    """A Chinese identity number of eighteen signs."""
    body = f"110105{rng.randint(1950, 2009)}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}"
    body += digits(rng, 3)
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True))
    return body + "10X98765432"[total % 11]


def token(rng: random.Random) -> str:
    """Letters and digits as licences, passports and tax numbers have them."""
    shape = rng.choice(TOKENS)
    letters = rng.choice(("ABCDEFGHJKLMNPRSTXYZ", "abcdxyz", "STFGM"))
    return "".join(
        rng.choice(letters) if sign == "L" else rng.choice("0123456789") if sign == "D" else sign
        for sign in shape
    )


def mail(rng: random.Random) -> str:
    """An address, or something near one."""
    return f"{rng.choice(LOCALS)}@{rng.choice(DOMAINS)}"


def network(rng: random.Random) -> str:
    """An address on the net or of a network card, or a chain that holds one."""
    pairs = [f"{rng.randrange(256):02x}" for _ in range(rng.choice((5, 6, 6, 7, 20)))]
    return rng.choice(
        (
            ".".join(str(rng.randrange(300)) for _ in range(rng.choice((3, 4, 4, 4, 5, 9)))),
            rng.choice(":-").join(pairs),
            ":".join(f"{rng.randrange(65536):x}" for _ in range(rng.choice((7, 8, 8, 9, 12)))),
            f"2001:db8::{rng.randrange(65536):x}",
            "::ffff:10.0.0.1",
            "fe80::1%eth0/64",
            "0012.3456.789a",
        )
    )


def other(rng: random.Random) -> str:
    """Dates, links, wallets, telephones."""
    return rng.choice(
        (
            f"{rng.randint(1, 31)}/{rng.randint(1, 12)}/{rng.randint(1940, 2030)}",
            f"{rng.randint(1, 31)} March {rng.randint(1940, 2030)}",
            f"{rng.randint(1940, 2030)}年{rng.randint(1, 12)}月{rng.randint(1, 31)}日",
            f"https://example.com/{digits(rng, 8)}?q=a@b.com",
            "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
            "16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyZ",
            "0x" + digits(rng, 40),
            f"+1 212 555 {digits(rng, 4)}",
            f"(212) 555-{digits(rng, 4)} x{digits(rng, 3)}",
            f"1{rng.choice('3456789')}{digits(rng, 9)}",
            f"+44 20 7946 {digits(rng, 4)}",
        )
    )


PLACES = ("Springfield", "Bad Homburg", "St. Louis", "Saint-Denis", "Łódź", "ΑΘΗΝΑ", "New York")
STREETS = (
    *("{n} Elm Road", "{n} Old Mill Lane Apt. {n}", "Lindenstraße {n}", "rue de la Paix, {z} {t}"),
    *("{n} rue Victor Hugo, {z} {t}", "Calle de Alcalá, {n}", "Via Roma {n}, {z} {t} (RM)"),
    *(
        "P.O. Box {n}",
        "{t}, NY {z}",
        "Suite {n}",
        "{n} Green Meadows, {t}, CA {z}",
        "ul. Długa {n}",
    ),
    *("PSC {n}, Box {n} APO AE {z}", "Flat {n}, Oak Walk, {t}, EH1 2PB", "{n} {t} {n} Suite {n}"),
    *("address: {t} {n}", "lives at {n} {t}", "Adresse: {t} {n}, {z} {t}", "{t} {n}", "Address is"),
    *(
        "北京市朝阳区建国路{n}号",
        "地址：太原路e座",
        "住在海淀区中关村大街{n}号{n}室",
        "地址",
        "住所は",
    ),
    *("東京都港区芝公園{n}丁目2-8", "서울특별시 강남구 테헤란로 {n}", "주소: 성남시 판교역로 {n}"),
)
LABELS = (
    *("passport no. {c}", "Passport number: {c}", "driving licence {c}", "DL# {c}", "护照号{c}"),
    *("account {d}", "Konto: {d}", "sort code 12-34-56", "账号：{d}", "plate {p}", "车牌京A12345"),
    *(
        "licence plate: {p} PLATE {p}",
        "IMEI 490154203237518",
        "VIN {v}",
        "MRN {d}",
        "member id {c}",
    ),
    *(
        "national id {c}",
        "TIN {d}",
        "DNI {c}",
        "NIF",
        "身分證字號{c}",
        "マイナンバー {d}",
        "zip code {z}",
    ),
    *("PLZ {z}", "username: {u}", "user {u}", "login={u}", '"user":"{u}"', "tax id ID CARD TIN"),
)
CODES = (
    *("A123456789", "AB1234567", "A123456(3)", "22099131", "123456789018", "11-22-123456-01"),
    *(
        "104-86-56659",
        "911124-5678901",
        "EH1 2PB",
        "K1A 0B1",
        "AB51 ABC",
        "KA01AB1234",
        "07PQRST6789K1Z2",
    ),
    *(
        "12.531.909-2",
        "756.9217.0769.85",
        "20-05536168-2",
        "1M8GDM9AXKP042788",
        "BOXW310820HNERXN09",
    ),
)


def written(rng: random.Random) -> str:
    """An address, a value after its label, or a number of a country, as it may be written."""
    return rng.choice(rng.choice((STREETS, LABELS, CODES))).format(
        n=rng.randint(1, 9999),
        z=digits(rng, 5),
        t=rng.choice(PLACES),
        c=rng.choice(("AB123456", "53XFYNHTP", "X1234567L", "536-90-4399", "SW 12 34")),
        d=digits(rng, rng.randint(5, 14)),
        p=rng.choice(("AB51 ABC", "7U 4D6SYU", "MYG 395", "B-MW 1234", "34 ABC 123")),
        v="1M8GDM9AXKP042788",
        u=rng.choice(("dwolf680", "ann.lee", "x", "at", "_a-b")),
    )


MAKERS: tuple[Callable[[random.Random], str], ...] = (
    grouped,
    card,
    iban,
    chinese_id,
    token,
    mail,
    network,
    other,
    written,
    written,
    lambda rng: digits(rng, rng.randint(5, 20)),
    lambda rng: rng.choice(WORDS),
    lambda rng: rng.choice(WORDS),
)


def make_text(rng: random.Random) -> str:
    """Personal data, things that look like it and words, in any order, joined in any way."""
    parts: list[str] = []
    count = 0
    for _ in range(rng.randint(1, 14)):
        part = rng.choice(MAKERS)(rng)
        count += sum(sign.isdigit() for sign in part)
        # Longer runs of digits than a shape holds are another test's matter.
        if count > 100:
            parts.append(" and\n")
            count = 0
        parts += (part, rng.choice(JOINTS))
    return "".join(parts)


@pytest.fixture(scope="module")
def detector() -> pii.PiiDetector:
    """A detector with default settings."""
    built = pii.KIND.build(pii.PiiSettings())
    assert isinstance(built, pii.PiiDetector)
    return built


@pytest.fixture(scope="module")
def scan() -> Scan:
    """Recognizers behind the screen."""
    return Scan()


def worth_recording(candidates: Iterable[Candidate]) -> set[Candidate]:
    """Those at or above the floor; below it a recognizer may save its time."""
    return {candidate for candidate in candidates if candidate.score >= FLOOR}


def unscreened(scan: Scan, text: str) -> set[Candidate]:
    """What the same recognizers see when each reads the whole text."""
    return worth_recording(
        recognizer.candidate(text, result.start, result)
        for recognizer in scan.recognizers
        for result in recognizer.analyze(text)
    )


def findings(detector: pii.PiiDetector, text: str) -> tuple[Finding, ...]:
    """What is found in a text."""
    detection = detector.inspect(Passage(text))
    return detection.findings if isinstance(detection, Found) else ()


def matches(detector: pii.PiiDetector, text: str) -> list[tuple[int, int]]:
    """Where the detector's shapes match in any layer, leftmost and longest, as RE2 has it."""
    options = re2.Options()
    options.longest_match = True
    assert detector.shapes is not None
    shapes = [re2.compile(shape, options) for shape in detector.shapes]
    return [
        layer.span(*match.span())
        for layer in Passage(text).layers
        for shape in shapes
        for match in shape.finditer(layer.text)
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_screen_hides_nothing_and_adds_nothing(scan: Scan, seed: int) -> None:
    """A recognizer would see something else if it read the whole text."""
    rng = seeded(seed)
    for _ in range(TEXTS_PER_SEED):
        text = make_text(rng)
        assert worth_recording(scan.candidates(text)) == unscreened(scan, text), text


@pytest.mark.parametrize("seed", FEW_SEEDS)
def test_each_finding_lies_in_a_match_of_a_shape(detector: pii.PiiDetector, seed: int) -> None:
    """A stream would release text that is still to become a finding."""
    rng = seeded(1000 + seed)
    for _ in range(TEXTS_PER_SEED):
        text = make_text(rng)
        spans = matches(detector, text)
        for finding in findings(detector, text):
            assert any(start <= finding.start and finding.end <= end for start, end in spans), text


@pytest.mark.parametrize("seed", FEW_SEEDS)
def test_findings_do_not_depend_on_where_a_window_begins(
    detector: pii.PiiDetector, seed: int
) -> None:
    """A stream and the whole text would be judged differently."""
    rng = seeded(2000 + seed)
    text = " ".join(make_text(rng) for _ in range(80))
    whole = findings(detector, text)
    for _ in range(4):
        begin = rng.randrange(len(text) - 2 * detector.left_context)
        known = begin + detector.left_context
        window = [
            dataclasses.replace(finding, start=finding.start + begin, end=finding.end + begin)
            for finding in findings(detector, text[begin:])
        ]
        assert [finding for finding in window if finding.start >= known] == [
            finding for finding in whole if finding.start >= known
        ]


@pytest.mark.parametrize("joint", [" ", ".", "-", " (", "\u00a0"])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 11, 16])
def test_findings_in_endless_digits_do_not_depend_on_where_a_window_begins(
    detector: pii.PiiDetector, joint: str, size: int
) -> None:
    """Groups of digits without end would be read in another rhythm in each window."""
    rng = seeded(size)
    text = joint.join(digits(rng, size) for _ in range(2600 // size))
    whole = findings(detector, text)
    for begin in (1, 8, 27):
        known = begin + detector.left_context
        window = [
            (finding.start + begin, finding.end + begin, finding.category)
            for finding in findings(detector, text[begin:])
        ]
        assert [span for span in window if span[0] >= known] == [
            (finding.start, finding.end, finding.category)
            for finding in whole
            if finding.start >= known
        ]


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "北京市建国路1号",
            "北京市长安街路",
            "地址：太原路",
            "東京都港区芝公園4丁目2-8",
            "서울 테헤란로 152 ",
        ),
        *("1 Elm Road ", "Rue Gare Lindenstraße 5 ", "53111 Bonn Road Rue ", "Suite 22 "),
        *("address 1 Elm ", "ID CARD 12345 ", "plate 7U 4D6SYU ", "AB51 ABC ", "passport a1234 "),
    ],
)
def test_findings_in_a_chain_do_not_depend_on_where_a_window_begins(
    detector: pii.PiiDetector, unit: str
) -> None:
    """A chain of one address would be read in another rhythm in each window."""
    text = unit * (2600 // len(unit))
    whole = findings(detector, text)
    for begin in (1, 6, 8, 27):
        known = begin + detector.left_context
        window = {
            (finding.start + begin, finding.end + begin, finding.category)
            for finding in findings(detector, text[begin:])
        }
        assert {span for span in window if span[0] >= known} == {
            (finding.start, finding.end, finding.category)
            for finding in whole
            if finding.start >= known
        }


@pytest.mark.parametrize("joint", [" ", ", ", "\n"])
def test_findings_in_endless_addresses_do_not_depend_on_where_a_window_begins(
    detector: pii.PiiDetector, joint: str
) -> None:
    """A list of addresses would be cut elsewhere in each window."""
    rng = seeded(len(joint))
    text = joint.join(written(rng) for _ in range(300))
    whole = findings(detector, text)
    for begin in (1, 50, 333, 1111):
        known = begin + detector.left_context
        window = [
            (finding.start + begin, finding.end + begin, finding.category)
            for finding in findings(detector, text[begin:])
        ]
        assert [span for span in window if span[0] >= known] == [
            (finding.start, finding.end, finding.category)
            for finding in whole
            if finding.start >= known
        ]


@pytest.mark.parametrize("seed", FEW_SEEDS)
def test_findings_need_no_text_but_one_sign_after_their_match(
    detector: pii.PiiDetector, seed: int
) -> None:
    """A stream would act on text before it can know what the text is."""
    rng = seeded(3000 + seed)
    for _ in range(10):
        text = make_text(rng)
        spans = matches(detector, text)
        for finding in findings(detector, text):
            ends = [end for start, end in spans if start < finding.end and end > finding.start]
            assert finding in findings(detector, text[: max(ends) + 1]), text


def test_undivided_numbers_are_found_however_many_follow_one_another(
    detector: pii.PiiDetector,
) -> None:
    """A long row of cards would hide all but the first."""
    cards = ["4111111111111111"] * 200
    found = findings(detector, " ".join(cards))
    assert sum(finding.category == "CREDIT_CARD" for finding in found) == len(cards)


def test_findings_grow_with_the_text(detector: pii.PiiDetector) -> None:
    """Text beyond some length would be cut without a word."""
    line = "Write to ann@example.com or call +1 212 555 0100 today.\n"
    for count in (1, 10, 1000):
        assert len(findings(detector, line * count)) == 2 * count
