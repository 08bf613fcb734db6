"""Which audience a request is served under."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.access.audience import resolve_audience
from app.domain.errors import AccessError, AccessProblem, RequestError
from app.domain.policy import Policy
from app.domain.protocols import Caller

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
