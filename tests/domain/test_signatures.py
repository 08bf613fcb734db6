"""The marks that tell one signer's signatures from another's."""

from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.conversation import (
    Conversation,
    Message,
    Origin,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
)
from app.domain.events import ReasoningDelta, StreamEvent, TextDelta, ToolCallDelta
from app.domain.signatures import (
    ANTHROPIC,
    SignedKind,
    addressed,
    claimed,
    marked,
    signed_calls,
    signer_named,
    unmarked,
)

VALUES: Final = st.text(min_size=1, max_size=20)
SIGNERS: Final = st.sampled_from([ANTHROPIC, signer_named("a"), signer_named("b")])
EVENTS: Final[st.SearchStrategy[ReasoningDelta | ToolCallDelta]] = st.one_of(
    st.builds(ReasoningDelta, st.just("Hm."), signed=VALUES),
    st.builds(ReasoningDelta, st.just(""), signed=VALUES, is_redacted=st.just(value=True)),
    st.builds(ToolCallDelta, st.just(0), st.just("{}"), st.just("c"), st.just("f"), signed=VALUES),
)


def sent_back(event: StreamEvent) -> Part:
    """What came, as a part of the next request; wire formats may not say what is redacted."""
    if isinstance(event, ToolCallDelta):
        return ToolCallPart("c", "f", event.arguments, signed=event.signed)
    assert isinstance(event, ReasoningDelta)
    return ReasoningPart(event.text, "p", event.signed, is_redacted=not event.text)


def seen_by(signer: str, *parts: Part) -> tuple[Part, ...]:
    """What a backend sees of a turn."""
    asked = Conversation("tester", (Message(Role.ASSISTANT, Origin.CLIENT, parts),))
    return addressed(asked, signer).messages[0].parts


@settings(deadline=None)
@given(EVENTS, SIGNERS, SIGNERS)
def test_a_signature_goes_back_to_its_signer_alone(
    event: ReasoningDelta | ToolCallDelta, by: str, to: str
) -> None:
    """A provider gets what another signed, or its own changed."""
    (part,) = seen_by(to, sent_back(marked(event, by)))
    assert isinstance(part, ReasoningPart | ToolCallPart)
    assert part.signed == (event.signed if by == to else None)
    if isinstance(event, ReasoningDelta) and isinstance(part, ReasoningPart):
        assert part.text == event.text
        assert part.is_redacted == (event.is_redacted and by == to)


@settings(deadline=None)
@given(VALUES, st.sampled_from(SignedKind), st.sampled_from(SignedKind))
def test_a_signature_of_one_kind_is_none_of_another(
    value: str, kind: SignedKind, part_kind: SignedKind
) -> None:
    """What stands for a call goes back as reasoning."""
    signed = f"{ANTHROPIC}{kind}:{value}"
    is_call = part_kind is SignedKind.CALL
    part = ToolCallPart("c", "f", "{}", signed=signed) if is_call else ReasoningPart("", "", signed)
    (seen,) = seen_by(ANTHROPIC, part)
    assert isinstance(seen, ReasoningPart | ToolCallPart)
    assert (seen.signed is not None) == (is_call == (kind is SignedKind.CALL))


@settings(deadline=None)
@given(st.from_regex(r"[A-Za-z0-9+/=_-]+", fullmatch=True), st.sampled_from(SignedKind))
def test_a_wire_format_leaves_its_own_vendors_as_they_are(value: str, kind: SignedKind) -> None:
    """A client that leaves the gateway cannot go on with what its vendor signed."""
    mark = f"{ANTHROPIC}{kind}:{value}"
    assert unmarked(mark, ANTHROPIC) == value
    assert claimed(value, ANTHROPIC, kind) == mark
    other = f"{signer_named('a')}{kind}:{value}"
    assert unmarked(other, ANTHROPIC) == claimed(other, ANTHROPIC, kind) == other


def test_what_nobody_signed_is_left_alone() -> None:
    """Every request pays for signatures, also those that hold none."""
    text = TextDelta("Hi")
    assert marked(text, ANTHROPIC) is text
    parts = (TextPart("a"), ReasoningPart("b"), ToolCallPart("c", "f", "{}"))
    asked = Conversation("tester", (Message(Role.ASSISTANT, Origin.CLIENT, parts),))
    assert addressed(asked, ANTHROPIC) is asked


def test_a_mark_does_not_name_the_backend() -> None:
    """Clients read the names that operators gave their backends."""
    assert "eu-backup" not in signer_named("eu-backup")
    assert signer_named("eu-backup") == signer_named("eu-backup") != signer_named("eu")


def test_signatures_of_calls_find_their_calls() -> None:
    """A call is sent without its signature, or with that of another call."""
    of_one, of_two = (ReasoningPart("", "", f"s.call:{at}", is_redacted=True) for at in "12")
    thought, text = ReasoningPart("Hm.", "", "s:0"), TextPart("a")
    one, two = (ToolCallPart(at, "f", "{}") for at in "12")
    signed = tuple(signed_calls([thought, of_one, one, of_two, text, two]))
    assert signed == (thought, ToolCallPart("1", "f", "{}", signed="s.call:1"), text, two)
    assert tuple(signed_calls([of_one])) == ()
