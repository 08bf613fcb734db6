"""What must not be written down is in no log, no number and no file."""

import contextlib

import openai

from tests.e2e.asking import ask, stream, wishes
from tests.e2e.gateway import MODEL_KEY, Gateway
from tests.e2e.provider import Provider
from tests.servers.openai_server import Play, chunk, error_answer

MARKER = "plantedmarker"
MAIL = f"{MARKER}@example.org"


def test_nothing_that_was_said_is_written_down(served: Gateway, provider: Provider) -> None:
    """A log, a dashboard or a stolen disk would tell what people wrote, or a key."""
    text = f"{MARKER} of {MAIL}"
    settings = wishes(session=MARKER, variables={"customer": text})
    body = {"model": "lexi", "messages": [{"role": "user", "content": text}]}
    with served.client() as client:
        ask(client, text, extra_body=settings, user=MARKER)
        stream(client, text, extra_body=settings)
        for asked in (f"ask-banned {text}", f"needs-person {text}"):
            ask(client, asked)
        provider.say(f"say-banned {text}")
        ask(client, "Hello")
        for play in (
            error_answer(500),
            Play([text.encode()]),
            Play([chunk({"content": text, MARKER: MARKER})]),
            Play([chunk({MARKER: {"deep": MARKER}})]),
        ):
            provider.play(play)
            with contextlib.suppress(openai.APIError):
                ask(client, text)
        for wrong in (
            {"model": MARKER},
            {"extra_body": {MARKER: MARKER}},
            {"extra_body": wishes(variables={MARKER: MARKER})},
            {"extra_body": wishes(scenario=MARKER)},
            {"extra_body": wishes(audience=MARKER)},
            {"tools": [{"type": MARKER}]},
        ):
            with contextlib.suppress(openai.APIStatusError):
                ask(client, text, **wrong)
    with served.http() as http:
        kept = {**body, "model": "keeper", "user": MARKER, "banneton": {"session": MARKER}}
        about = http.post("/v1/chat/completions", json=kept).json()["banneton"]["request_id"]
        for said in (
            {"request_id": about, "comment": text, "demonstration": text, "id": MARKER},
            {"session": MARKER, "correction": {"turn": 1, "text": text}},
            {"user": MARKER, "consent": {"purposes": []}},
        ):
            assert http.post("/v1/feedback", json=said).is_success
            http.post("/v1/feedback", json={**said, MARKER: MARKER})
        http.post("/v1/feedback", json={"session": text, "comment": text})
        http.post(
            "/v1/chat/completions",
            content=f'{{"{MARKER}": ',
            headers={"content-type": "application/json"},
        )
        http.get(f"/v1/records?subject={MARKER}&session={MARKER}")
        http.get(f"/v1/records/{MARKER}")
        http.get(f"/{MARKER}?{MARKER}={MARKER}")
        http.get("/v1/models", headers={"authorization": f"Bearer bn_{MARKER}"})
        http.post("/v1/guardrails/check", json={"persona": "lexi", "text": text})
        http.post("/v1/chat/completions", json=body | {"user": [MARKER]})
    var = [path for path in served.root.glob("var/**/*") if path.is_file()]
    assert any(path.name == "banneton.db" for path in var)
    places = {
        "the log": served.output(),
        "the metrics": served.get("/metrics", key=None).content,
        "the records": served.get("/v1/records?limit=100").content,
        **{path.name: path.read_bytes() for path in var},
    }
    secrets = [MARKER, MODEL_KEY, *served.keys.values()]
    found = [
        (place, "text" if secret == MARKER else "a key")
        for place, content in places.items()
        for secret in secrets
        if secret.encode() in content or secret.encode("utf-16-le") in content
    ]
    assert found == []
