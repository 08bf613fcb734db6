"""How a turn's decisions read in a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

VERBS = {
    "allow": "allowed",
    "flag": "flagged",
    "steer": "steered",
    "retry": "retried",
    "pseudonymize": "pseudonymised, restored for you",
    "mask": "masked",
    "escalate": "escalated to a person",
    "block": "blocked",
}


def decisions(summary: Mapping[str, Any]) -> Iterator[str]:
    """One line for each thing that policy did, then one for the record."""
    findings = summary.get("findings", ())
    for applied in summary.get("applied", ()):
        seen = [findings[index] for index in applied["findings"]]
        kinds = sorted({f"{finding['detector']} {finding['category']}" for finding in seen})
        scores = [finding["score"] for finding in seen]
        score = f", score {max(scores):.2f}" if scores else ""
        verb = VERBS.get(applied["action"], applied["action"])
        if applied.get("observed"):
            verb = f"would have been {verb}"
        yield f"{applied['rule']}: {verb} ({', '.join(kinds) or 'a check could not run'}{score})"
    yield f"outcome {summary.get('outcome')}, record {summary.get('request_id')}"
