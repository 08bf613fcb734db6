"""Which audience a request is served under."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.access.audience import resolve_audience
from app.domain.errors import AccessError, AccessProblem, RequestError
from app.domain.policy import Policy
from app.domain.protocols import Caller, Claim

AUDIENCES = ("minor", "teen", "public", "professional")
ANY = st.sampled_from(AUDIENCES)


def policy(default: str) -> Policy:
    """A policy with this default."""
    return Policy("baseline", AUDIENCES, default, ())


def caller(loosest: str | None) -> Caller:
    """A caller whose key allows at most this."""
    return Caller("acme", "k", None, loosest)


@settings(deadline=None)
@given(default=ANY, loosest=st.none() | ANY, wished=st.none() | ANY)
def test_nobody_is_served_looser_than_their_key_allows(
    default: str, loosest: str | None, wished: str | None
) -> None:
    """A request gets a looser audience than its key, or another one than it may wish for."""
    limit = AUDIENCES.index(loosest or default)
    if wished is not None and AUDIENCES.index(wished) > limit:
        with pytest.raises(AccessError) as caught:
            resolve_audience(policy(default), caller(loosest), wished)
        assert caught.value.problem is AccessProblem.FORBIDDEN
        return
    served = resolve_audience(policy(default), caller(loosest), wished)
    assert AUDIENCES.index(served) <= limit
    if wished is not None:
        assert served == wished
    else:
        assert AUDIENCES.index(served) == min(limit, AUDIENCES.index(default))


@settings(deadline=None)
@given(st.text().filter(lambda text: text not in AUDIENCES))
def test_an_unknown_audience_is_named_by_what_is_allowed(wished: str) -> None:
    """A mistyped audience falls back to another one, or its text is echoed."""
    with pytest.raises(RequestError) as caught:
        resolve_audience(policy("teen"), caller("public"), wished)
    assert caught.value.param == "banneton.audience"
    assert str(caught.value).endswith("as: minor, teen, public.")


@pytest.mark.parametrize("wished", [None, "minor"])
def test_a_key_for_an_audience_of_another_policy_is_refused(wished: str | None) -> None:
    """A key whose limit the policy does not know is served without limit."""
    with pytest.raises(AccessError) as caught:
        resolve_audience(policy("public"), caller("staff"), wished)
    assert caught.value.problem is AccessProblem.FORBIDDEN


@settings(deadline=None)
@given(default=ANY, loosest=st.none() | ANY, claimed=ANY, wished=st.none() | ANY)
def test_a_claim_sets_the_audience_and_is_a_limit(
    default: str, loosest: str | None, claimed: str, wished: str | None
) -> None:
    """A claim makes somebody looser than their key, or a request looser than its claim."""
    key_limit, limit = AUDIENCES.index(loosest or default), AUDIENCES.index(claimed)
    asked = replace(caller(loosest), claim=Claim(claimed))
    if limit > key_limit or (wished is not None and AUDIENCES.index(wished) > limit):
        with pytest.raises(AccessError) as caught:
            resolve_audience(policy(default), asked, wished)
        assert caught.value.problem is AccessProblem.FORBIDDEN
        return
    assert resolve_audience(policy(default), asked, wished) == (wished or claimed)


def test_a_claim_that_names_no_audience_changes_nothing() -> None:
    """A token that only names a subject would change the audience."""
    asked = replace(caller("professional"), claim=Claim(None, "user-1"))
    assert resolve_audience(policy("public"), asked, None) == "public"
    assert resolve_audience(policy("public"), asked, "professional") == "professional"


def test_a_claim_for_an_audience_of_another_policy_is_refused() -> None:
    """Somebody whose audience the policy does not know is served as somebody else."""
    asked = replace(caller("professional"), claim=Claim("staff"))
    with pytest.raises(AccessError) as caught:
        resolve_audience(policy("public"), asked, "minor")
    assert caught.value.problem is AccessProblem.FORBIDDEN
    assert "staff" not in str(caught.value)
