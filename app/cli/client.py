"""A small client of our own gateway, for the commands that talk to it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = Any


@dataclass(slots=True)
class Turn:
    """One streamed answer; iterate ``text`` first, then read the rest."""

    summary: Mapping[str, Json] = field(default_factory=dict)
    """The ``banneton`` key of the last event."""
    error: str = ""


class Client:
    """Talks Chat Completions to a gateway, with a stream."""

    def __init__(self, base_url: str, key: str) -> None:
        import httpx2

        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._http = httpx2.Client(base_url=base_url, headers=headers, timeout=300)

    def close(self) -> None:
        """Give back the connection."""
        self._http.close()

    def personas(self) -> list[str]:
        """Ids of the personas that the key may use."""
        answer = self._http.get("/v1/models")
        answer.raise_for_status()
        return [model["id"] for model in answer.json()["data"]]

    def stream(
        self,
        persona: str,
        messages: Sequence[Mapping[str, str]],
        settings: Mapping[str, Json],
        turn: Turn,
    ) -> Iterator[str]:
        """The answer's text as it comes; fills ``turn`` on the way."""
        import json

        body = {
            "model": persona,
            "messages": list(messages),
            "stream": True,
            "banneton": dict(settings),
        }
        with self._http.stream("POST", "/v1/chat/completions", json=body) as answer:
            if answer.status_code != 200:  # noqa: PLR2004  # HTTP's own number
                answer.read()
                turn.error = str(answer.json().get("error", {}).get("message", answer.status_code))
                return
            for line in answer.iter_lines():
                if not line.startswith("data: ") or line == "data: [DONE]":
                    continue
                event = json.loads(line[6:])
                if "error" in event:
                    turn.error = str(event["error"].get("message", "the answer broke off"))
                    return
                turn.summary = event.get("banneton", turn.summary)
                for choice in event.get("choices", ()):
                    if text := choice["delta"].get("content"):
                        yield text

    def check(self, body: Mapping[str, Json]) -> Mapping[str, Json]:
        """Run a policy on text without a model."""
        answer = self._http.post("/v1/guardrails/check", json=dict(body))
        result: Mapping[str, Json] = answer.json()
        return result
