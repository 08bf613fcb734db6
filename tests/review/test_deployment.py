"""What a change of ``banneton.yaml`` means, in both directions."""

import pytest

from app.domain.conversation import Json
from app.review.change import Effect
from app.review.concerns.deployment import changes_of_deployment

CLAIMS: Json = {"issuer": "https://id.example.org", "aud": "banneton", "jwks_file": "keys.json"}


def said(before: Json, after: Json) -> list[tuple[Effect, str]]:
    """Each change, with its effect."""
    return [(each.effect, each.what) for each in changes_of_deployment(before, after)]


@pytest.mark.parametrize(
    ("demand", "what"),
    [
        ({"required": True}, "a request must carry a signed claim"),
        ({"tenant_claim": "org"}, "a claim must name the key's tenant"),
        ({"subject_claim": "sub"}, "a claim must name the subject"),
    ],
)
def test_what_claims_must_say(demand: Json, what: str) -> None:
    """Letting anybody in without a claim would look like any other change of the deployment."""
    with_demand: Json = {"access": {"claims": {**CLAIMS, **demand}}}
    without: Json = {"access": {"claims": CLAIMS}}
    assert said(with_demand, without) == [(Effect.WEAKER, f"no longer demanded: {what}")]
    assert said(without, with_demand) == [(Effect.STRICTER, f"demanded now: {what}")]
    gone = said(with_demand, {})
    assert (Effect.WEAKER, f"no longer demanded: {what}") in gone


def test_who_signs_claims() -> None:
    """A reviewer would not see that somebody else says who may be served as what."""
    other: Json = {"access": {"claims": {**CLAIMS, "issuer": "https://id.example.com"}}}
    what = "claims are taken from somebody else, or read otherwise"
    assert said({"access": {"claims": CLAIMS}}, other) == [(Effect.CHANGED, what)]


def test_who_may_approve_waivers() -> None:
    """Somebody could become an approver in the change that they approve, and nobody be told."""
    before: Json = {"waivers": {"approval": "signature", "approvers": {"ann": "1", "bob": "2"}}}
    after: Json = {"waivers": {"approval": "signature", "approvers": {"bob": "3", "eve": "4"}}}
    assert said(before, after) == [
        (Effect.CHANGED, "eve may approve waivers now"),
        (Effect.CHANGED, "ann may approve waivers no longer"),
        (Effect.CHANGED, "bob signs with another key"),
    ]
    weaker = (Effect.WEAKER, "waivers are approved by 'named' instead of 'signature'")
    assert weaker in said(before, {})
    stricter = (Effect.STRICTER, "waivers are approved by 'signature' instead of 'named'")
    assert stricter in said({}, before)


def test_other_sections_are_told_without_their_values() -> None:
    """A reference to a secret would stand in a comment, or a change be missed."""
    before: Json = {"backends": {"a": {"api_key": "${A_KEY}"}}}
    after: Json = {"backends": {"a": {"api_key": "${B_KEY}"}}}
    assert said(before, after) == [(Effect.CHANGED, "the section 'backends' changes: a.api_key")]
    assert said(before, before) == []
