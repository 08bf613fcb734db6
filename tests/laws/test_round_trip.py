"""The Round trip law: the model sees pseudonyms, the user sees values, and URLs stay closed."""

import re
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.domain.conversation import Segment
from app.domain.errors import ContentError
from app.domain.events import (
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
)
from app.domain.finding import CLEAN, Detection
from app.domain.policy import ANY_TOOL, Action, PseudonymForm, Restore, Stage
from app.domain.protocols import Original, PseudonymScope
from app.guardrails.context import Context
from app.guardrails.detector import DetectorKind, Scope
from app.guardrails.evaluate import inspect_segments
from app.guardrails.kinds import KINDS
from app.guardrails.known import KnownPseudonyms, Standing
from app.guardrails.plan import compile_policy
from app.guardrails.pseudonyms import Minter, is_token, token_name
from app.guardrails.release import OutputGuard
from app.guardrails.restore import Restorer
from tests.guardrails.building import (
    KEY,
    NOW,
    SCOPE,
    Local,
    Remote,
    guard,
    kind,
    patterns,
    pieces,
    plan,
    policy,
    rule,
    run,
    stream,
    text_of,
    words,
)

LAW = settings(deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
PART = settings(LAW, max_examples=500)
"""For properties that stand beside one of those that are looked at most."""
PLAN = plan(
    rule("values", patterns("<[^<>]{1,6}>"), Action.PSEUDONYMIZE, Stage.INPUT),
    rule("shouts", words("BOO", "_", "K", ignore_case=False), Action.MASK, Stage.OUTPUT),
)
FREE = plan(rule("values", patterns("<[^<>]{1,6}>"), Action.PSEUDONYMIZE, Stage.INPUT))

VALUES = st.text('ab"\\\n é中😀/.@', min_size=1, max_size=6).map(lambda inner: f"<{inner}>")
PROSE = st.text("ab ,;:-_P0'中。\n", max_size=8)
CUTS = st.sets(st.integers(1, 160), max_size=30)


def pseudonymized(text: str, minter: Minter) -> str:
    """The text as the model gets it."""
    segments = [Segment("text", text, Stage.INPUT)]
    seen = run(inspect_segments(FREE, "public", segments, minter=minter, now=NOW))
    return seen.texts["text"]


@LAW
@given(st.lists(st.tuples(PROSE, VALUES), min_size=1, max_size=4), PROSE, CUTS)
@example([("", "<a>"), ("", "<a>")], "", {1, 2})
def test_the_model_sees_no_value_and_the_user_sees_all(
    parts: list[tuple[str, str]], last: str, cuts: set[int]
) -> None:
    """A value reaches the model, or comes back changed, for some way to cut the echo."""
    text = "".join(prose + value for prose, value in parts) + last
    minter = Minter(KEY, SCOPE)
    sent = pseudonymized(text, minter)
    assert not any(value in sent for _, value in parts)
    assert {original.value for original in minter.minted.values()} == {value for _, value in parts}
    for delta in (TextDelta, RefusalDelta, ReasoningDelta):
        guarding = guard(FREE, minter=minter)
        out = run(stream(guarding, map(delta, pieces(sent, cuts))))
        assert "".join(getattr(event, "text", "") for event in out) == text
        assert dict(guarding.content)[next(iter(dict(guarding.content)))] == sent


@LAW
@given(st.lists(st.tuples(PROSE, VALUES), min_size=1, max_size=4), CUTS)
def test_values_come_back_in_the_arguments_of_tools_as_json(
    parts: list[tuple[str, str]], cuts: set[int]
) -> None:
    """A tool of the client gets a pseudonym, or broken JSON."""
    minter = Minter(KEY, SCOPE)
    value = {prose: [pseudonymized(prose + value, minter)] for prose, value in parts}
    sent = orjson.dumps(value).decode()
    guarding = guard(FREE, minter=minter)
    events: list[StreamEvent] = [ToolCallDelta(0, "", "call", "send")]
    events += [ToolCallDelta(0, piece) for piece in pieces(sent, cuts)]
    out = run(stream(guarding, events))
    got = "".join(event.arguments for event in out if isinstance(event, ToolCallDelta))
    assert orjson.loads(got) == {prose: [prose + value] for prose, value in parts}


MARKS = st.sampled_from(
    ["", "", "", "*", "**", "`", "~~", "\u200b", "\u00ad", "\\", "\n", "\r\n> "]
)
UNDERSCORES = st.sampled_from(["_", "_", "\\_", " ", "-", "", "&#95;", "&lowbar;", "\uff3f"])
WAYS = st.sampled_from(["same", "same", "same", "small", "wide", "entity", "escape"])


@st.composite
def altered(draw: st.DrawFn, token: str) -> list[str]:
    """A token as models write it: each piece is one of its characters and what stands before it."""
    fills = draw(st.lists(MARKS, min_size=len(token), max_size=len(token)))
    ways = draw(st.lists(WAYS, min_size=len(token), max_size=len(token)))
    pieces = []
    for at, (sign, fill, way) in enumerate(zip(token, fills, ways, strict=True)):
        written = draw(UNDERSCORES) if sign == "_" else _written(sign, way)
        pieces.append((fill if at else "") + written)
    return pieces


def _written(sign: str, way: str) -> str:
    match way:
        case "small":
            return sign.lower()
        case "wide" if "!" <= sign <= "~":
            return chr(ord(sign) + 0xFEE0)
        case "entity":
            return f"&#{ord(sign)};"
        case _:
            return sign


TOKENS = Minter(KEY, SCOPE)
MAIL = TOKENS.mint("EMAIL_ADDRESS", 'some"one"@here.example')
PHONE = TOKENS.mint("PHONE", "+49301234")
KNOWN = KnownPseudonyms(TOKENS.known)


def restored(text: str, cuts: set[int], *, is_json: bool = False) -> str:
    """What a user sees of it."""
    restorer = Restorer(KNOWN, is_json=is_json)
    return "".join(map(restorer.feed, pieces(text, cuts))) + restorer.feed("", is_end=True)


AROUND = st.text("ab ,;:-_EP0'中。\n*&\\", max_size=8)


@LAW
@given(AROUND, altered(MAIL), st.sampled_from(["", "'s", "**", "s", " "]), AROUND, CUTS)
def test_what_models_add_to_a_pseudonym_does_not_keep_it(
    before: str, token: list[str], ending: str, after: str, cuts: set[int]
) -> None:
    """A user reads a token because the model escaped, wrapped or emphasised it."""
    text = f"{before}{''.join(token)}{ending}{after}{PHONE}"
    value = TOKENS.known[MAIL].value
    assert restored(text, cuts) == f"{before}{value}{ending}{after}+49301234"


@PART
@given(altered(MAIL), st.lists(st.booleans(), min_size=60, max_size=60), CUTS)
def test_nor_do_the_escapes_of_json(token: list[str], escapes: list[bool], cuts: set[int]) -> None:
    """A tool gets a token because the model escaped a part of it."""
    inside = "".join(
        f"\\u{ord(piece):04x}" if escape and len(piece) == 1 else orjson.dumps(piece).decode()[1:-1]
        for piece, escape in zip(token, escapes, strict=False)
    )
    got = restored(f'{{"to": "{inside}", "n": "\\n{MAIL}"}}', cuts, is_json=True)
    value = TOKENS.known[MAIL].value
    assert orjson.loads(got) == {"to": value, "n": f"\n{value}"}


@PART
@given(altered(MAIL), st.integers(14, 23), st.sampled_from("0123456789ABCDEFGHX.&"), CUTS)
def test_what_is_not_all_there_is_not_restored(
    token: list[str], at: int, other: str, cuts: set[int]
) -> None:
    """A value is shown for what only begins like its pseudonym, or differs in one character."""
    changed = [*token[:at], other, *token[at + 1 :]] if other != MAIL[at] else token[:at]
    text = "".join(changed)
    assert restored(text + " ", cuts) == text + " "


def test_what_cannot_become_a_pseudonym_does_not_wait() -> None:
    """Text waits for the next delta that has nothing to do with any pseudonym."""
    restorer = Restorer(KNOWN)
    came = ["Hi pal", " em", "u ", "email a", "nd", " e"]
    assert list(map(restorer.feed, came)) == ["Hi pal", " ", "emu ", "", "email and", " "]


BEFORE = [
    "https://e.com/?q=",
    "see http://e.com/a/",
    "![x](",
    "[x](/p?",
    "[x](</p q=",
    "www.e.com/",
    'src="',
    "<img src=' ",
    "href = ",
    "mailto:",
    "//e.com/",
    "e.com/",
    "e.com:80/?",
    "1.2.3.4/",
    "x-app://do/",
    "url(",
    "https://user@e.com/it's/",
    "data:text/html,",
    '<form action="/',
    "[x]: /p/",
    "> [note]: <a/",
    "<any+thing:",
    "go?to=https%3A%2F%2Fe.com%2F",
    "@import 'a/",
    "<img data-src=a/",
]
AFTER = [".evil.com/", ".a.b.co", "@evil.com", "-x.evil.org"]


@LAW
@given(
    st.one_of(
        st.tuples(st.sampled_from(BEFORE), st.just("")),
        st.tuples(st.just(""), st.sampled_from(AFTER)),
    ),
    st.sampled_from(["", "a", "(", "**"]),
    st.one_of(st.just([MAIL]), altered(MAIL)),
    st.booleans(),
    CUTS,
)
def test_values_never_come_back_inside_urls(
    around: tuple[str, str],
    filler: str,
    token: list[str],
    as_json: bool,  # noqa: FBT001  # drawn
    cuts: set[int],
) -> None:
    """A link or an image that the model was talked into carries a value out."""
    sent = f"hi\n{around[0]}{filler if around[0] else ''}{''.join(token)}{around[1]} end"
    sent = orjson.dumps(sent).decode() if as_json else sent
    assert restored(sent, cuts, is_json=as_json) == sent


def test_a_restored_value_that_is_a_link_carries_no_other_value() -> None:
    """One value of the user is sent to the address that another one is."""
    minter = Minter(KEY, SCOPE)
    link = minter.mint("URL", "https://mine.example/?q=")
    mail = minter.mint("EMAIL_ADDRESS", "a@b.example")
    restorer = Restorer(KnownPseudonyms(minter.known))
    assert restorer.feed(f"{link}{mail} {mail} ", is_end=True) == (
        f"https://mine.example/?q={mail} a@b.example "
    )


@PART
@given(st.text("abB T", max_size=10), st.text("abB T", max_size=10), CUTS)
def test_rules_see_a_pseudonym_as_one_thing(before: str, after: str, cuts: set[int]) -> None:
    """A rule rewrites a part of a pseudonym, which then stands for nothing."""
    minter = Minter(KEY, SCOPE)
    token = minter.mint("OOK", "the value")
    guarding = guard(PLAN, minter=minter)
    text = before + token + after
    out = text_of(run(stream(guarding, map(TextDelta, pieces(text, cuts)))))
    crosses = before.endswith("B")  # and so makes BOO with the beginning of the name
    assert out == (f"{before[:-1]}[removed]" if crosses else f"{before}the value") + after


def test_names_are_the_same_in_every_turn_and_in_no_other_scope() -> None:
    """A value changes its name between turns, or keeps it for another tenant, key or session."""
    first = Minter(KEY, SCOPE)
    token = first.mint("EMAIL_ADDRESS", "a@b.example")
    assert Minter(KEY, SCOPE).mint("EMAIL_ADDRESS", "a@b.example") == token
    assert Minter(KEY, SCOPE, first.minted).minted == {}
    others = [
        Minter(b"another key", SCOPE),
        Minter(KEY, PseudonymScope("other", SCOPE.key_id, SCOPE.session)),
        Minter(KEY, PseudonymScope(SCOPE.tenant, "other", SCOPE.session)),
        Minter(KEY, PseudonymScope(SCOPE.tenant, SCOPE.key_id, "other")),
    ]
    names = {other.mint("EMAIL_ADDRESS", "a@b.example") for other in others}
    names |= {first.mint("PHONE_NUMBER", "a@b.example"), first.mint("EMAIL_ADDRESS", "b@b.example")}
    assert len(names | {token}) == 7


def test_a_name_that_is_taken_is_not_given_twice() -> None:
    """Two values share a name, and the user gets the wrong one back."""
    token = Minter(KEY, SCOPE).mint("ID", "one")
    taken = Original("ID", "another value, by chance")
    minter = Minter(KEY, SCOPE, {token: taken})
    other = minter.mint("ID", "one")
    assert other != token
    assert minter.known == {token: taken, other: Original("ID", "one")}


def test_what_the_model_brings_up_is_named_and_not_restored() -> None:
    """A rule that gives pseudonyms in answers changes nothing that the user sees."""
    compiled = plan(rule("values", patterns("<[^<>]{1,6}>"), Action.PSEUDONYMIZE))
    minter = Minter(KEY, SCOPE)
    mine = minter.mint("p0", "<mine>")
    guarding = guard(compiled, minter=minter)
    out = text_of(run(stream(guarding, [TextDelta(f"<new> <mine> {mine}")])))
    assert out == f"{minter.name('p0', '<new>')} <mine> <mine>"
    assert {original.value for original in minter.known.values()} == {"<mine>"}


def test_unknown_tokens_of_our_shape_are_told_and_passed_on() -> None:
    """A pseudonym of another scope is guessed at, dropped or overlooked."""
    foreign = Minter(b"another key", SCOPE).mint("EMAIL_ADDRESS", "x@y.example")
    constant = foreign[:-1] + ("0" if foreign[-1] != "0" else "1")
    minter = Minter(KEY, SCOPE)
    minter.mint("EMAIL_ADDRESS", "a@b.example")
    guarding = guard(FREE, minter=minter)
    text = f"{foreign} and {constant} and MAX_VALUE"
    assert text_of(run(stream(guarding, [TextDelta(text)]))) == text
    found = [(f.detector, f.category, f.start, f.end) for t in guarding.trace for f in t.findings]
    assert found == [("pseudonym", "unknown_token", 0, len(foreign))]
    assert KnownPseudonyms({foreign: Original("EMAIL_ADDRESS", "known")}).unknown_in(foreign) == []


def test_categories_make_names_of_one_form() -> None:
    """A category of a policy makes a name that is not found again."""
    expected = {
        "EMAIL_ADDRESS": "EMAIL_ADDRESS",
        "ticket-id": "TICKET_ID",
        "手机号": "VALUE",
        "3d": "VALUE_3D",
        "a" * 60: "A" * 40,
    }
    assert {category: token_name(category) for category in expected} == expected
    for category in expected:
        minter = Minter(KEY, SCOPE)
        token = minter.mint(category, "v")
        assert is_token(token)
        assert KnownPseudonyms(minter.known).scan(f"x{token}y", 0, is_end=True) == (
            [Standing(1, 1 + len(token), token)],
            len(token) + 2,
        )


@PART
@given(
    st.none() | st.frozensets(st.sampled_from(["EMAIL_ADDRESS", "PHONE"])),
    st.none() | st.frozensets(st.sampled_from(["EMAIL_ADDRESS", "PHONE"])),
    st.sampled_from(["crm", "other", ""]),
    CUTS,
)
def test_each_sink_gets_what_policy_lets_it_see(
    user: frozenset[str] | None, crm: frozenset[str] | None, called: str, cuts: set[int]
) -> None:
    """A tool or the user gets a value that policy keeps from them, or none that it does not."""
    restore = Restore(user, {"crm": crm, ANY_TOOL: frozenset({"PHONE"})})
    compiled = compile_policy(replace(policy(), restore=restore), KINDS)
    guarding = guard(compiled, minter=TOKENS)
    events: list[StreamEvent] = list(map(TextDelta, pieces(f"{MAIL} {PHONE}", cuts)))
    events.append(ToolCallDelta(0, "", "id", called))
    events += [ToolCallDelta(0, piece) for piece in pieces(f'["{MAIL}","{PHONE}"]', cuts)]
    out = run(stream(guarding, events))
    arguments = "".join(event.arguments for event in out if isinstance(event, ToolCallDelta))
    for sees, got in (
        (user, text_of(out).split()),
        (crm if called == "crm" else frozenset({"PHONE"}), orjson.loads(arguments)),
    ):
        assert [token != shown for token, shown in zip((MAIL, PHONE), got, strict=False)] == [
            sees is None or kind in sees for kind in ("EMAIL_ADDRESS", "PHONE")
        ]
    assert dict(guarding.content)["choices[0].text"] == f"{MAIL} {PHONE}"


def at_exit(detector: Local) -> DetectorKind[Any]:
    """A kind that looks at restored text."""
    return replace(kind(detector), looks_at_restored=True)


EXITS = [
    at_exit(
        Local(
            lambda text: [match.span() for match in re.finditer("ab{1,3}", text)],
            Scope.SPAN,
            ("ab{1,3}",),
            name="span",
        )
    ),
    at_exit(Local(lambda text: [(0, len(text))] if len(text) > 9 else [], name="whole")),
]
ABS = Minter(KEY, SCOPE)
PARTS = [ABS.mint("K", "béb"), ABS.mint("N", "éa"), *"abc ,"]
EXIT_ACTS = st.sampled_from([Action.FLAG, Action.MASK, Action.BLOCK, None])


@PART
@given(
    st.lists(st.sampled_from(PARTS), max_size=8),
    st.sampled_from([Action.MASK, Action.BLOCK, Action.FLAG]),
    st.tuples(EXIT_ACTS, EXIT_ACTS),
    st.sampled_from([Stage.OUTPUT, Stage.TOOL_CALL]),
    CUTS,
)
@example(["a", PARTS[0], "c"], Action.BLOCK, (Action.MASK, Action.BLOCK), Stage.OUTPUT, {1})
def test_what_leaves_is_looked_at_as_it_leaves(
    parts: list[str],
    inner: Action,
    acts: tuple[Action | None, Action | None],
    stage: Stage,
    cuts: set[int],
) -> None:
    """A restored value makes what a rule forbids, for some way to cut the answer; or is recorded.

    The oracle runs one answer through the rules that see pseudonyms, and what comes of it through
    those that see values.
    """
    is_call = stage is Stage.TOOL_CALL
    before = [rule("c", words("c"), inner, stage)]
    after = [
        rule(each.name, {each.name: {}}, act, stage)
        for each, act in zip(EXITS, acts, strict=True)
        if act is not None
    ]
    compiled = [plan(*rules, extra=EXITS) for rules in (before, after, before + after)]
    text = f'["{"".join(parts)}"]' if is_call else "".join(parts)

    def said(events: list[StreamEvent]) -> str:
        calls = [event.arguments for event in events if isinstance(event, ToolCallDelta)]
        return "".join(calls) if is_call else text_of(events)

    def told(pieces_: list[str]) -> list[StreamEvent]:
        return [ToolCallDelta(0, piece) if is_call else TextDelta(piece) for piece in pieces_]

    first = guard(compiled[0], minter=ABS)
    restored_ = said(run(stream(first, told([text]))))
    second = guard(compiled[1])
    want = said(run(stream(second, told([restored_]))))
    guarding = guard(compiled[2], minter=ABS)
    got = said(run(stream(guarding, told(pieces(text, cuts)))))
    assert got == want
    assert guarding.stops == (second.stops or first.stops)
    (recorded,) = [text for _, text in guarding.content] or [""]
    assert "é" not in recorded
    found = [f for trace in guarding.trace for f in trace.findings]
    assert all(f.start <= f.end <= len(text) for f in found)
    if not guarding.stops:  # what had come when it was stopped depends on how it was cut
        all_found = {f.detector for trace in second.trace for f in trace.findings}
        assert {f.detector for f in found} >= all_found


def test_a_value_that_is_a_link_is_judged_as_a_link() -> None:
    """A link to a host that is not allowed leaves, because the model wrote a pseudonym."""
    strict = {"links": {"allow": ["ours.example"], "kinds": ["host"]}}
    compiled = plan(rule("hosts", strict, Action.MASK))
    minter = Minter(KEY, SCOPE)
    theirs = minter.mint("URL", "https://theirs.example/a")
    ours = minter.mint("URL", "https://ours.example/a")
    guarding = guard(compiled, minter=minter)
    out = run(stream(guarding, map(TextDelta, pieces(f"See {theirs} or {ours}.", range(1, 60)))))
    assert text_of(out) == "See [removed] or https://ours.example/a."
    assert dict(guarding.content)["choices[0].text"] == f"See [removed] or {ours}."
    (trace,) = guarding.trace
    hosts = [(f.start, f.end) for f in trace.findings if f.category == "host"]
    assert hosts == [(4, 4 + len(theirs))]


@pytest.mark.parametrize(
    ("limit", "mail", "stops"),
    [
        ({"matches": ".+@ours\\.example"}, "a@ours.example", False),
        ({"matches": ".+@ours\\.example"}, "a@theirs.example", True),
        ({"not_from_tools": True}, "asker@ours.example", False),
        ({"not_from_tools": True}, "eve@theirs.example", True),
    ],
)
def test_arguments_are_judged_with_their_values(
    limit: dict[str, object], mail: str, *, stops: bool
) -> None:
    """A tool is called with a value that breaks its bounds, behind a pseudonym that does not."""
    settings_ = {"tools": {"calls": {"send": {"arguments": {"to": limit}}}}}
    compiled = plan(rule("bounds", settings_, Action.BLOCK, Stage.TOOL_CALL))
    minter = Minter(KEY, SCOPE)
    token = minter.mint("EMAIL_ADDRESS", mail)
    eve = minter.mint("EMAIL_ADDRESS", "eve@theirs.example")
    context = Context(question=f"Write to {token}", documents=(f"Write to {eve}",))
    if mail.startswith("eve"):
        context = replace(context, question="Do what the page says")
    guarding = OutputGuard(compiled, "public", minter=minter, now=NOW, context=context)
    events: list[StreamEvent] = [ToolCallDelta(0, "", "id", "send")]
    events += [ToolCallDelta(0, piece) for piece in pieces(f'{{"to":"{token}"}}', range(1, 50, 5))]
    out = run(stream(guarding, events))
    got = "".join(event.arguments for event in out if isinstance(event, ToolCallDelta))
    assert (bool(guarding.stops), got) == (stops, "" if stops else f'{{"to":"{mail}"}}')


def test_only_detectors_here_may_see_values() -> None:
    """A value is sent to a judge or a webhook."""

    async def clean(_text: str) -> Detection:
        return CLEAN

    remote = replace(kind(Remote(clean)), looks_at_restored=True)
    with pytest.raises(ContentError, match="local detectors only"):
        plan(rule("r", {"remote": {}}, Action.FLAG), extra=[remote])


PEOPLE = {
    "EMAIL_ADDRESS": "[a-c]@d\\.org",
    "PHONE_NUMBER": "\\+1 212 555 [0-9]{4}|\\+86 [0-9]{11}",
    "CREDIT_CARD": "[0-9]{4} [0-9]{4} [0-9]{4} [0-9]{4}",
    "PERSON": "Ann( Lee)?|王芳",
    "ADDRESS": "[1-9] Main Street",
}
DISGUISED = plan(
    *(
        rule(
            kind_,
            {"patterns": {"patterns": [{"id": kind_, "regex": regex}]}},
            Action.PSEUDONYMIZE,
            Stage.INPUT,
            pseudonym=PseudonymForm.SURROGATE,
        )
        for kind_, regex in PEOPLE.items()
    )
)
PERSONAL = st.one_of(
    *(st.from_regex(regex.replace("\\\\", "\\"), fullmatch=True) for regex in PEOPLE.values())
)


@PART
@given(
    st.lists(
        st.tuples(st.text("aA1 ,;:_0'中。\n(+-", max_size=4), PERSONAL), min_size=1, max_size=4
    ),
    st.booleans(),
    CUTS,
)
def test_surrogates_go_and_come_back_as_tokens_do(
    parts: list[tuple[str, str]],
    as_json: bool,  # noqa: FBT001  # drawn
    cuts: set[int],
) -> None:
    """A value reaches the model, or another one comes back, for some way to cut the echo."""
    text = "".join(prose + value for prose, value in parts)
    minter = Minter(KEY, SCOPE)
    seen = run(
        inspect_segments(
            DISGUISED, "public", [Segment("text", text, Stage.INPUT)], minter=minter, now=NOW
        )
    )
    sent = seen.texts["text"]
    values = {original.value for original in minter.minted.values()}
    assert not any(pseudonym in text for pseudonym in minter.minted)
    assert not any(value in sent for value in values)
    guarding = guard(DISGUISED, minter=minter)
    events: list[StreamEvent] = [ToolCallDelta(0, "", "call", "send")]
    if as_json:
        echo = orjson.dumps({"said": sent}).decode()
        events += [ToolCallDelta(0, piece) for piece in pieces(echo, cuts)]
        out = run(stream(guarding, events))
        got = "".join(event.arguments for event in out if isinstance(event, ToolCallDelta))
        assert orjson.loads(got) == {"said": text}
    else:
        assert text_of(run(stream(guarding, map(TextDelta, pieces(sent, cuts))))) == text


INVENTED = Minter(KEY, SCOPE)
MADE = [
    INVENTED.mint(category, value, PseudonymForm.SURROGATE)
    for category, value in (
        ("EMAIL_ADDRESS", "ann@here.example"),
        ("PERSON", "Ann Lee"),
        ("PERSON", "王芳"),
        ("PHONE_NUMBER", "+1 212 555 7788"),
        ("CREDIT_CARD", "4111111111111111"),
        ("DATE_OF_BIRTH", "1990-05-14"),
    )
]


@PART
@given(
    st.sampled_from(MADE).flatmap(lambda made: st.tuples(st.just(made), altered(made))),
    st.sampled_from(["", "so ", "(", "é ", "中", "**"]),
    st.sampled_from(["", " is", "'s", ")", "中", "**", ".", " "]),
    CUTS,
)
def test_surrogates_come_back_as_models_write_them(
    drawn: tuple[str, list[str]], before: str, after: str, cuts: set[int]
) -> None:
    """A user reads an invented name because the model escaped, wrapped or emphasised it."""
    made, pieces_ = drawn
    written = "".join(pieces_).replace("\r\n> ", "").replace("\n", "")
    text = f"{before}{written}{after}"
    restorer = Restorer(KnownPseudonyms(INVENTED.known))
    got = "".join(map(restorer.feed, pieces(text, cuts))) + restorer.feed("", is_end=True)
    assert got == f"{before}{INVENTED.known[made].value}{after}"
