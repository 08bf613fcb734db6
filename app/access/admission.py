"""Who is let in: by a key, and for whom, by a signed claim."""

from dataclasses import dataclass, replace

from app.access.claims import HEADER, ClaimReader
from app.access.keys import Authenticator
from app.domain.errors import AccessError, AccessProblem
from app.domain.protocols import Caller


@dataclass(frozen=True, slots=True)
class Admission:
    """What is asked before anything else."""

    authenticator: Authenticator
    claims: ClaimReader | None = None
    """None refuses every request that carries a claim."""
    is_open_without_keys: bool = False
    """Whether anybody is let in, as one tenant, until the first key is made: only for loopback."""

    async def is_open(self) -> bool:
        """Whether no key is asked for.

        Raises:
            LedgerError: The keys could not be looked at.
        """
        return self.is_open_without_keys and not await self.authenticator.has_keys()

    async def admit(self, authorization: str | None, token: str | None) -> Caller:
        """Who asks, with what is signed about whom it is for.

        Raises:
            AccessError: The key or the claim does not count, or nobody could tell.
            LedgerError: The keys could not be looked at.
        """
        if await self.is_open():
            caller = Caller("local", "", None, None, may_read_records=True, may_use_console=True)
        else:
            caller = await self.authenticator.authenticate(authorization)
        if token is None:
            return caller
        if self.claims is None:
            raise AccessError(AccessProblem.CLAIM, f"This gateway takes no claims in '{HEADER}'.")
        claim = await self.claims.read(token)
        if claim.tenant is not None and claim.tenant != caller.tenant:
            what = "The claim is for another tenant than the key."
            raise AccessError(AccessProblem.FORBIDDEN, what)
        return replace(caller, claim=claim)

    def require_claim(self, caller: Caller) -> None:
        """Refuse a request without a claim where there must be one.

        Raises:
            AccessError: There must be one.
        """
        is_required = self.claims is not None and self.claims.expected.is_required
        if is_required and caller.claim is None:
            raise AccessError(AccessProblem.CLAIM, f"Send a signed claim in '{HEADER}'.")
