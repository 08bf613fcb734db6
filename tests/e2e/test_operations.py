"""What operators and reviewers see of a running gateway."""

import threading
from pathlib import Path
from typing import Any

import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.asking import about, ask, stream, text_of, wishes
from tests.e2e.gateway import Gateway, banneton, gateway, until
from tests.e2e.provider import Latch, Provider
from tests.servers.openai_server import Gate, Play, text_stream

Json = Any


def test_files_change_while_it_serves(project: Path, provider: Provider) -> None:
    """A reviewed change would need a restart, a wrong one stop the gateway, or one split a talk."""
    persona = project / "personas/lexi.yaml"
    good = persona.read_text("utf-8")
    with gateway(project) as running, running.client("any") as client:
        first = about(ask(client, "Hello"))["catalog"]
        assert running.get("/readyz", key=None).json()["catalog"] == first
        latch = Latch()
        provider.play(Play([text_stream("say-later")], before=[Gate(latch)]))
        in_flight: list[Json] = []
        thread = threading.Thread(target=lambda: in_flight.append(ask(client, "Hello")))
        thread.start()
        until(lambda: len(provider.requests) == 2)
        persona.write_text(good.replace("name: Lexi", "name: Lea"), "utf-8")
        policy = project / "policies/root.yaml"
        policy.write_text(policy.read_text("utf-8").replace("[say-banned]", "[say-later]"), "utf-8")
        until(lambda: running.get("/readyz", key=None).json()["catalog"] != first)
        latch.set()
        thread.join()
        assert text_of(in_flight[0]) == "say-later"
        assert about(in_flight[0])["catalog"] == first

        provider.say("say-later")
        answer = ask(client, "Hello")
        assert answer.choices[0].finish_reason == "content_filter"
        assert provider.body["messages"][0]["content"].startswith("You are Lea")
        second = about(answer)["catalog"]
        assert second != first

        persona.write_text(good.replace("route: balanced", "route: ballanced"), "utf-8")
        until(lambda: running.get("/readyz", key=None).json()["state"] == "degraded")
        ready = running.get("/readyz", key=None)
        assert ready.status_code == 200
        assert any("personas/lexi.yaml:6:" in one for one in ready.json()["problems"])
        assert any("'balanced'" in one for one in ready.json()["problems"])
        assert about(ask(client, "Hello"))["catalog"] == second

        persona.write_text(good, "utf-8")
        until(lambda: running.get("/readyz", key=None).json()["state"] == "ready")
        assert running.get("/readyz", key=None).json()["problems"] == []
        assert running.stop() == 0


def test_metrics_count(served: Gateway, provider: Provider) -> None:
    """Dashboards would show nothing, or texts of users."""
    with served.client() as client:
        stream(client, "Hello", stream_options={"include_usage": True})
        ask(client, "Please ask-banned now")
    assert len(provider.requests) == 1
    text = served.get("/metrics", key=None).text
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    for outcome in ("allow", "block"):
        told = {"outcome": outcome, "persona": "lexi", "status": "completed", "variant": ""}
        labels = tuple(told.items())
        assert samples["banneton_requests_total", labels] >= 1
    assert any(name.startswith("gen_ai_server_time_to_first_token") for name, _ in samples)
    assert any(name.startswith("gen_ai_client_token_usage") for name, _ in samples)


def test_the_coverage_table(served: Gateway) -> None:
    """A reviewer could not see which fields reach a model."""
    table = served.get("/v1/coverage").json()
    request = {row["path"]: row["treatment"] for row in table["openai_chat"]["request"]}
    assert request["messages[](role=user).content"] == "guarded"
    assert request["logit_bias"] == "refused"
    assert set(request.values()) == {"guarded", "constrained", "opaque", "refused"}
    assert {"request", "answer", "stream"} == set(table["openai_chat"])


def test_render(served: Gateway) -> None:
    """A product manager could not read what the model is told, or where it comes from."""
    body = {"persona": "lexi", "scenario": "review", "variables": {"customer": "Ms Lee"}}
    made = served.post("/v1/prompts/render", body).json()
    lines = made["text"].split("\n")
    assert len(lines) == len(made["provenance"])
    assert made["digest"].startswith("sha256:")
    assert made["tokens"] > 0
    where = dict(zip(lines, made["provenance"], strict=True))
    source = where["Number your steps."]
    assert (source["file"], source["key"]) == ("personas/lexi.yaml", "behaviours[0].instruct")
    assert source["line"] == 9
    assert where["Begin with the costs."]["key"] == "scenarios.review.instruct"
    assert served.post("/v1/prompts/render", {"persona": "nobody"}).status_code == 404


def test_check(served: Gateway, provider: Provider) -> None:
    """Thresholds could not be calibrated from outside, or a check would cost a call."""
    mail = "anna.keller@example.org"
    made = served.post(
        "/v1/guardrails/check", {"policy": "root", "stage": "input", "text": f"I am {mail}"}
    ).json()
    assert (made["outcome"], made["policy"], made["unchecked"]) == ("pseudonymize", "root", [])
    assert made["text"].startswith("I am EMAIL_ADDRESS_")
    assert made["scores"]["pii"] > 0.5
    assert made["scores"]["secrets"] == 0
    (finding,) = made["findings"]
    assert (finding["path"], finding["start"], finding["end"]) == ("text", 5, 5 + len(mail))
    assert made["applied"] == [{"rule": "personal-data", "action": "pseudonymize", "findings": [0]}]
    blocked = served.post(
        "/v1/guardrails/check", {"persona": "lexi", "stage": "output", "text": "say-banned"}
    ).json()
    assert (blocked["outcome"], blocked["text"]) == ("block", None)
    strict = {"policy": "root", "text": "grown-up", "audience": "minor"}
    assert served.post("/v1/guardrails/check", strict).json()["outcome"] == "block"
    messages = {"policy": "root", "messages": [{"role": "user", "content": f"I am {mail}"}]}
    passed = served.post("/v1/guardrails/check", messages).json()["messages"]
    assert passed[0]["content"].startswith("I am EMAIL_ADDRESS_")
    assert served.post("/v1/guardrails/check", {"policy": "nobody", "text": "x"}).status_code == 404
    assert provider.requests == []


def test_records_are_a_tenants_own(served: Gateway, provider: Provider) -> None:
    """One tenant would read another's records, or a key read any that may not."""
    with served.client() as client:
        request_id = ask(client, "Hello").id.removeprefix("chatcmpl-")
    assert len(provider.requests) == 1
    record = served.record(request_id)
    assert (record["status"], record["outcome"], record["persona"]) == (
        "completed", "allow", "lexi",
    )  # fmt: skip
    assert record["opening"]["catalog"].startswith("sha256:")
    assert record["closing"]["usage"]["output_tokens"] == 3
    assert served.get(f"/v1/records/{request_id}", key="lexi-only").status_code == 403
    assert served.get(f"/v1/records/{request_id}", key="neighbour").status_code == 404
    assert served.get("/v1/records", key="neighbour").json() == {"records": [], "next": None}
    assert served.get("/v1/records", key=None).status_code == 401
    assert served.get("/v1/records/none").status_code == 404


def test_records_are_filtered_and_paged(served: Gateway, provider: Provider) -> None:
    """Somebody who looks for blocked requests would have to read all."""
    with served.client() as client:
        asked = [ask(client, "Please ask-banned now").id for _ in range(3)]
    assert provider.requests == []
    newest = [one.removeprefix("chatcmpl-") for one in reversed(asked)]
    page = served.get("/v1/records?outcome=block&persona=lexi&limit=2").json()
    assert [one["request_id"] for one in page["records"]] == newest[:2]
    rest = served.get(f"/v1/records?outcome=block&persona=lexi&limit=1&cursor={page['next']}")
    assert [one["request_id"] for one in rest.json()["records"]] == newest[2:]
    for query in ("outcome=nothing", "nobody=1", "limit=0", "since=yesterday", "cursor=x"):
        assert served.get(f"/v1/records?{query}").status_code == 400


def test_metrics_can_be_switched_off(project: Path, provider: Provider) -> None:
    """An operator who does not want numbers to be read would serve them all the same."""
    deployment = project / "banneton.yaml"
    text = deployment.read_text("utf-8")
    deployment.write_text(f"{text}telemetry: {{metrics: false}}\n", "utf-8")
    with gateway(project) as running:
        assert running.get("/metrics", key=None).status_code == 404
        assert running.get("/healthz", key=None).status_code == 200
    assert provider.requests == []


def test_without_keys_only_this_machine_is_served(project: Path, provider: Provider) -> None:
    """A gateway that anybody on the network could use would start without a word."""
    ended = banneton("serve", "--root", project, "--host", "0.0.0.0", "--port", "0")  # noqa: S104  # is refused
    assert ended.returncode == 2
    assert "banneton keys create" in ended.stderr
    assert "Traceback" not in ended.stderr
    with gateway(project) as running:
        with running.client("anything") as client:
            assert text_of(ask(client, "Hello")) == "Hello"
            with pytest.raises(openai.PermissionDeniedError):
                ask(client, "Hello", extra_body=wishes(audience="professional"))
        assert running.get("/v1/records", key=None).status_code == 200
        port = running.url.rpartition(":")[2]
        taken = banneton("serve", "--root", project, "--port", port)
        assert taken.returncode == 2
        assert f"port {port}" in taken.stderr
        assert "Traceback" not in taken.stderr
    assert len(provider.requests) == 1
