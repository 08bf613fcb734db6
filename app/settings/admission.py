"""Who is let in besides by a key, and who may approve a waiver."""

from collections.abc import Mapping
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from app.domain.persona import FileModel
from app.domain.policy import Approval
from app.settings.values import ApproverKey, ProjectPath, http_url


def _https_url(url: str) -> str:
    parts = urlsplit(http_url(url))
    if parts.scheme != "https" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        raise ValueError("must be https: whoever changes the keys on their way signs every claim")
    return url


class Claims(FileModel):
    """Signed claims about whom a request is for, sent as a JWT in ``x-banneton-claims``."""

    issuer: Annotated[str, Field(min_length=1)]
    """Who signs them: the token's ``iss``."""
    aud: Annotated[str, Field(min_length=1)]
    """For whom they are made: the token's ``aud`` is or holds this."""
    jwks_url: Annotated[str, AfterValidator(_https_url)] | None = None
    """Where the issuer's public keys are; ``https`` unless it is on this machine."""
    jwks_file: ProjectPath | None = None
    """A file with the issuer's public keys. Exactly one of this and ``jwks_url``."""
    audience_claim: Annotated[str, Field(min_length=1)] = "banneton_audience"
    """The claim that names the audience. A token without it says nothing about that."""
    subject_claim: str | None = None
    """The claim that names the subject, such as ``sub``; a token must have it then."""
    tenant_claim: str | None = None
    """The claim that must name the key's tenant; a token must have it then."""
    required: bool = False
    """Whether exchanges and checks without a claim are refused."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.jwks_url is None) == (self.jwks_file is None):
            raise ValueError("needs exactly one of 'jwks_url' and 'jwks_file'")
        return self


class Access(FileModel):
    """Who may do what, besides keys."""

    claims: Claims | None = None
    """Left out, a request that carries a claim is refused."""


class Waivers(FileModel):
    """How it is verified who approved a waiver."""

    approval: Approval = Approval.NAMED
    """``named`` verifies nothing, ``codeowners`` that the approver owns the policy's file,
    ``signature`` that the approver signed the waiver."""
    approvers: Mapping[str, ApproverKey] = {}
    """For ``signature``: the public SSH key of each approver, by the name that ``approved_by`` has.
    Ed25519, ECDSA, RSA from 2048 bits on, and the first two in a hardware token (``sk-…``)."""

    @model_validator(mode="after")
    def _has_approvers(self) -> Self:
        if (self.approval is Approval.SIGNATURE) != bool(self.approvers):
            raise ValueError("needs 'approvers' with 'approval: signature', and only then")
        return self
