"""Which audience a request is served under."""

from app.domain.errors import AccessError, AccessProblem, RequestError
from app.domain.policy import Policy
from app.domain.protocols import Caller


def resolve_audience(policy: Policy, caller: Caller, wished: str | None) -> str:
    """What a request wishes, or the policy's default; never looser than the key allows.

    Args:
        policy: Declares the audiences and the default.
        caller: Whose key names the loosest audience; where it names none, that is the default.
        wished: What the request asks for; ``None`` where it does not say.

    Raises:
        RequestError: The policy has no such audience.
        AccessError: The wish is looser than the key allows, or the key names an audience that
            this policy does not have.
    """
    loosest = caller.loosest_audience or policy.default_audience
    if loosest not in policy.audiences:
        raise AccessError(
            AccessProblem.FORBIDDEN,
            f"The key is for audience {loosest!r}, which policy {policy.id!r} does not have.",
        )
    allowed = policy.audiences[: policy.audiences.index(loosest) + 1]
    if wished is None:
        return policy.default_audience if policy.default_audience in allowed else loosest
    if wished not in policy.audiences:
        raise RequestError(
            f"There is no such audience; this key may be served as: {', '.join(allowed)}.",
            param="banneton.audience",
            code="unknown_audience",
        )
    if wished not in allowed:
        raise AccessError(
            AccessProblem.FORBIDDEN,
            f"The key may not be served as {wished!r}; it may as: {', '.join(allowed)}.",
        )
    return wished
