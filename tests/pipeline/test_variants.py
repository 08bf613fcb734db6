"""Variants through the whole gateway: who gets which, and that everything says so."""

from pathlib import Path
from typing import Any

import httpx2

from app.access.keys import KeyWish
from app.main import load_project, make_key
from tests.pipeline.serving import serving

Json = Any
_PERSONA = """
extends: lexi
policy: keeping
route: scripted
variants:
  - {id: warm, percent: 50, set: {name: Warm}}
"""


async def post(http: httpx2.AsyncClient, path: str, **body: Json) -> httpx2.Response:
    """One answer of the persona."""
    answer = await http.post(path, json={"model": "shared", **body})
    assert answer.status_code == 200, answer.text
    return answer


def project_with(root: Path) -> Path:
    """A persona that shares its sessions, and a model that is always there."""
    (root / "personas/shared.yaml").write_text(_PERSONA, "utf-8")
    banneton = root / "banneton.yaml"
    text = banneton.read_text("utf-8")
    text = text.replace(
        "backends:\n", "backends:\n  play: {type: scripted, script: said.yaml}\n", 1
    )
    text = text.replace("routes:\n", "routes:\n  scripted: {backend: play, model: m}\n", 1)
    banneton.write_text(text, "utf-8")
    (root / "said.yaml").write_text("rules: [{text: Take the green form.}]\n", "utf-8")
    return root


async def test_a_session_stays_with_its_variant_and_everything_says_which(root: Path) -> None:
    """A user would meet another persona in the next turn, or nobody know whom they met."""
    project = load_project(project_with(root), reads_secrets=False)
    said = [{"role": "user", "content": "Hello"}]
    async with serving(project) as http:
        met: dict[str, str | None] = {}
        for turn in range(100):
            # Until both have answered, and then whoever came first once more.
            session = f"s{turn}" if len(set(met.values())) < 2 else f"s{turn % 5}"
            if turn >= 12 and session in met and turn % 5 == 4:
                break
            answer = await post(
                http, "/v1/chat/completions", messages=said, banneton={"session": session}
            )
            about = answer.json()["banneton"]
            variant = about["variant"]
            assert met.setdefault(session, variant) == variant
            assert answer.headers.get("x-banneton-variant") == variant
            record = (await http.get(f"/v1/records/{about['request_id']}")).json()
            assert record["opening"]["variant"] == variant
            assert record["opening"]["assigned"] == "drawn"
        assert set(met.values()) == {None, "warm"}
        # Without a session, what goes on from an answer stays with the one who gave it.
        first = "warm", None
        for wanted in first:
            while True:
                begun = (await post(http, "/v1/responses", input="Hello", store=True)).json()
                if begun["banneton"]["variant"] == wanted:
                    break
            for _ in range(4):
                begun = (
                    await post(
                        http,
                        "/v1/responses",
                        input="And then?",
                        previous_response_id=begun["id"],
                        store=True,
                    )
                ).json()
                assert begun["banneton"]["variant"] == wanted
            request_id = begun["banneton"]["request_id"]
            record = (await http.get(f"/v1/records/{request_id}")).json()
            assert record["opening"]["assigned"] == "continued"
        told = (await http.get("/metrics")).text
        assert 'banneton_requests_total{outcome="allow",persona="shared",' in told
        assert 'variant="warm"} ' in told
        named = await http.post(
            "/v1/chat/completions", json={"model": "shared:warm", "messages": said}
        )
        record = (await http.get(f"/v1/records/{named.headers['x-request-id']}")).json()
        assert record["opening"]["assigned"] == "named"


async def test_a_key_may_be_kept_from_naming_variants(root: Path) -> None:
    """Users of a product could choose what chance is to choose."""
    project = load_project(project_with(root), reads_secrets=False)
    keys = [
        await make_key(project, KeyWish("default", "web", may_name_variants=may))
        for may in (False, True)
    ]
    said = {"messages": [{"role": "user", "content": "Hello"}]}
    async with serving(project) as http:
        for key, status in zip(keys, (403, 200), strict=True):
            headers = {"authorization": f"Bearer {key.secret}"}
            for path, body in (
                ("/v1/chat/completions", {"model": "shared:warm", **said}),
                ("/v1/prompts/render", {"persona": "shared", "variant": "warm"}),
            ):
                answer = await http.post(path, json=body, headers=headers)
                assert answer.status_code == status
            body = {"model": "shared", **said}
            answer = await http.post("/v1/chat/completions", json=body, headers=headers)
            assert answer.status_code == 200
