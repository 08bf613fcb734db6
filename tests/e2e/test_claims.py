"""Audiences from an identity provider, as a client sees them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.access.claiming import ISSUER, KEYS, key_set, token
from tests.e2e.asking import about, ask, wishes
from tests.e2e.gateway import Gateway, gateway, make_keys
from tests.e2e.provider import Provider

Json = Any

_ACCESS = f"""
access:
  claims:
    issuer: {ISSUER}
    aud: banneton
    jwks_file: jwks.json
    subject_claim: sub
"""


@pytest.fixture
def served(project: Path, provider: Provider) -> Iterator[Gateway]:
    """A gateway that takes claims; its key may be served as a professional."""
    assert provider.requests == []
    (project / "jwks.json").write_bytes(key_set())
    with (project / "banneton.yaml").open("a") as settings:
        settings.write(_ACCESS)
    keys = make_keys(project, {"t": ("--audience", "professional", "--records")})
    with gateway(project, keys=keys) as running:
        yield running


def signed(audience: str | None, **more: Json) -> dict[str, Json]:
    """Options of a request that carries a claim."""
    said = {"iss": ISSUER, "aud": "banneton", "sub": "ann", "exp": 4_000_000_000, **more}
    if audience is not None:
        said["banneton_audience"] = audience
    return {"extra_headers": {"x-banneton-claims": token(said)}}


def test_a_claim_decides_for_whom_a_request_is_served(served: Gateway) -> None:
    """Somebody would be served as another than their provider says, or write it themselves."""
    with served.client() as client:
        outcomes = {}
        for audience in ("minor", "public", "professional"):
            answer = ask(client, "grown-up", **signed(audience))
            outcomes[audience] = about(answer)["outcome"]
            record = served.record(about(answer)["request_id"])
            assert record["opening"]["audience"] == audience
            assert record["opening"]["subject"] is not None
        assert outcomes == {"minor": "block", "public": "flag", "professional": "allow"}
        stricter = ask(client, "grown-up", **signed("public"), extra_body=wishes(audience="minor"))
        assert about(stricter)["outcome"] == "block"
        rated = {"request_id": about(stricter)["request_id"], "task": "failed"}
        with pytest.raises(openai.PermissionDeniedError):
            ask(client, "x", **signed("minor"), extra_body=wishes(audience="public"))
        with pytest.raises(openai.PermissionDeniedError):
            ask(client, "x", **signed("staff"))
        with pytest.raises(openai.PermissionDeniedError):
            ask(client, "x", **signed("minor"), user="bob")
        for bad in (
            signed("professional", aud="another"),
            signed("professional", exp=1),
            {"extra_headers": {"x-banneton-claims": "a.b.c"}},
            {"extra_headers": {"x-banneton-claims": ""}},
        ):
            with pytest.raises(openai.AuthenticationError) as refused:
                ask(client, "x", **bad)
            assert refused.value.code == "invalid_claim"
    checked = served.post("/v1/guardrails/check", {"policy": "root", "text": "grown-up"})
    assert checked.json()["audience"] == "public"
    withdrawn = {"user": "ann", "consent": {"purposes": []}}
    statuses = {}
    with served.http() as http:
        for name in ("ann", "bob"):
            headers = signed("public", sub=name)["extra_headers"]
            statuses[name] = [
                http.post("/v1/feedback", json=body, headers=headers).status_code
                for body in (rated, withdrawn)
            ]
    assert statuses == {"ann": [200, 200], "bob": [404, 403]}
    assert b"x-banneton" not in served.output()
    assert KEYS
