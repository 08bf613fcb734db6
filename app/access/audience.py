"""Which audience a request is served under. See decisions 0073 and 0128."""

from app.domain.errors import AccessError, AccessProblem, RequestError
from app.domain.policy import Policy
from app.domain.protocols import Caller


def resolve_audience(policy: Policy, caller: Caller, wished: str | None) -> str:
    """What a request wishes, its claim says, or else the policy's default.

    Never looser than the key allows, nor than the claim says where it says something.

    Args:
        policy: Declares the audiences and the default.
        caller: Whose key names the loosest audience; where it names none, that is the default.
            Their claim may name the audience of the subject.
        wished: What the request asks for; ``None`` where it does not say.

    Raises:
        RequestError: The policy has no such audience.
        AccessError: The wish or the claim is looser than the key allows, the wish is looser than
            the claim, or key or claim name an audience that this policy does not have.
    """
    loosest = caller.loosest_audience or policy.default_audience
    if loosest not in policy.audiences:
        raise AccessError(
            AccessProblem.FORBIDDEN,
            f"The key is for audience {loosest!r}, which policy {policy.id!r} does not have; make "
            "a key for one that it has.",
        )
    allowed = policy.audiences[: policy.audiences.index(loosest) + 1]
    if caller.claim is not None and caller.claim.audience is not None:
        claimed = caller.claim.audience
        if claimed not in allowed:
            raise AccessError(
                AccessProblem.FORBIDDEN,
                "The claim is for an audience that this key or policy does not allow; this key "
                f"may be served as: {', '.join(allowed)}.",
            )
        allowed = policy.audiences[: policy.audiences.index(claimed) + 1]
        wished = claimed if wished is None else wished
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
            f"This request may not be served as {wished!r}; it may as: {', '.join(allowed)}.",
        )
    return wished
