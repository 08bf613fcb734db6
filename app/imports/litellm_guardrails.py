"""Guardrails of LiteLLM's proxy as rules, where a detector here looks for the same.

Source: https://docs.litellm.ai/docs/proxy/guardrails/quick_start, ``/pii_masking_v2``,
``/litellm_content_filter`` and ``/secret_detection``, as of 2026.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.catalog.document import Node
from app.domain.conversation import Json
from app.domain.errors import DetectorError
from app.guardrails.recognizers.entities import ENTITIES
from app.guardrails.shapes import Shape
from app.imports.persona_writer import Tree
from app.imports.taking import Taking, below

_STAGES: Mapping[str, list[Json]] = {
    "pre_call": ["input", "tool_result"],
    "during_call": ["input", "tool_result"],
    "post_call": ["output"],
}
_ACTIONS = {"BLOCK": "block", "MASK": "mask"}
_PREBUILT = {
    "us_ssn": "US_SSN",
    "email": "EMAIL_ADDRESS",
    "phone": "PHONE_NUMBER",
    "us_phone": "PHONE_NUMBER",
    "credit_card": "CREDIT_CARD",
    "visa": "CREDIT_CARD",
    "mastercard": "CREDIT_CARD",
    "amex": "CREDIT_CARD",
    "iban": "IBAN_CODE",
    "ipv4": "IP_ADDRESS",
    "ipv6": "IP_ADDRESS",
}
_NOT_HERE = (
    "has no detector of its kind here; write a rule with one that looks for the same "
    "(reference/detectors.md), or ask the service through a webhook"
)
_MAX_MATCH = 1_000


def rules_of(guardrails: Node, taking: Taking) -> list[Json]:
    """The rules; what has none is told of."""
    rules: list[Json] = []
    for entry in guardrails.items:
        making = _Making(entry, below(entry, "litellm_params"), taking)
        kind = below(making.params, "guardrail").text or ""
        make = _KINDS.get(kind)
        if make is None:
            taking.leave(entry, _NOT_HERE)
            continue
        made = make(making)
        if not made:
            taking.leave(entry, "says nothing that a rule here could look for")
            continue
        making.finish()
        rules += made
    return _told_apart(rules)


def _told_apart(rules: list[Json]) -> list[Json]:
    taken: set[str] = set()
    made: list[Json] = []
    for rule in rules:
        if not isinstance(rule, dict):
            continue
        name, number = str(rule["id"]), 1
        while name in taken:
            number += 1
            name = f"{rule['id']}-{number}"
        taken.add(name)
        made.append({**rule, "id": name})
    return made


@dataclass(frozen=True, slots=True)
class _Making:
    entry: Node
    params: Node
    taking: Taking

    def finish(self) -> None:
        """Count what every guardrail says as taken, and tell of what is otherwise here."""
        self.taking.take(self.entry.child("guardrail_name"))
        self.taking.take(self.params.child("guardrail"))
        always = self.params.child("default_on")
        if always is None or always.content is not True:
            what = "looks only where a request asks for it; the rule here looks always"
            self.taking.note(self.entry, what)
        self.taking.take(always)

    def rule(self, suffix: str, detect: Tree, then: str) -> Json:
        name = below(self.entry, "guardrail_name").text or "guardrail"
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "guardrail"
        return {
            "id": f"{plain}-{suffix}",
            "why": f"LiteLLM had a guardrail for it, {plain}.",
            "stages": self.stages(),
            "detect": detect,
            "then": then,
        }

    def stages(self) -> list[Json]:
        """Where it looks: what clients send, what models answer, or both."""
        mode = self.params.child("mode")
        named = [each.text for each in mode.items] if mode and mode.items else []
        named = named or ([mode.text] if mode else ["pre_call"])
        if mode is not None and all(each in _STAGES for each in named):
            self.taking.take(mode)
        stages = [stage for each in named for stage in _STAGES.get(each or "", [])]
        return list(dict.fromkeys(str(stage) for stage in stages)) or list(_STAGES["pre_call"])

    def presidio(self) -> list[Json]:
        wanted = self.params.child("pii_entities_config")
        restored = self.params.child("output_parse_pii")
        is_restored = restored is not None and restored.content is True
        self.taking.take(restored)
        hide = "pseudonymize" if is_restored and "output" not in self.stages() else "mask"
        if wanted is None:
            return [self.rule("pii", {"pii": {}}, hide)]
        by_action: dict[str, list[Json]] = {}
        for name, node in wanted.entries.items():
            action = _ACTIONS.get((node.text or "").upper())
            if name not in ENTITIES or action is None:
                self.taking.leave(node, "is no kind of personal data that is known here")
                continue
            self.taking.take(node)
            by_action.setdefault(hide if action == "mask" else action, []).append(name)
        score = self.taking.number(self.params.child("presidio_score_thresholds", "ALL"))
        least: Tree = {} if score is None else {"min_score": score}
        return [
            self.rule(f"pii-{action}", {"pii": {"entities": entities, **least}}, action)
            for action, entities in by_action.items()
        ]

    def secrets(self) -> list[Json]:
        return [self.rule("secrets", {"secrets": {}}, "mask")]

    def content_filter(self) -> list[Json]:
        entities: dict[str, list[str]] = {}
        patterns: dict[str, list[Json]] = {}
        for node in below(self.params, "patterns").items if self._has("patterns") else ():
            self._pattern(node, entities, patterns)
        words: dict[str, list[Json]] = {}
        for node in below(self.params, "blocked_words").items if self._has("blocked_words") else ():
            action = _ACTIONS.get((below(node, "action").text or "BLOCK").upper())
            word = below(node, "keyword").text
            if action is None or not word or not word.strip():
                self.taking.leave(node, "is a word without an action that is known here")
                continue
            self.taking.take(node.child("keyword"))
            self.taking.take(node.child("action"))
            words.setdefault(action, []).append(word)
        made = [
            self.rule(
                f"pii-{action}", {"pii": {"entities": list[Json](dict.fromkeys(each))}}, action
            )
            for action, each in entities.items()
        ]
        made += [
            self.rule(f"patterns-{action}", {"patterns": {"patterns": each}}, action)
            for action, each in patterns.items()
        ]
        return made + [
            self.rule(f"words-{action}", {"words": {"words": each, "whole_words": False}}, action)
            for action, each in words.items()
        ]

    def _has(self, key: str) -> bool:
        return self.params.child(key) is not None

    def _pattern(
        self, node: Node, entities: dict[str, list[str]], patterns: dict[str, list[Json]]
    ) -> None:
        action = _ACTIONS.get((below(node, "action").text or "").upper())
        kind = below(node, "pattern_type").text
        known = _PREBUILT.get(below(node, "pattern_name").text or "")
        regex = below(node, "pattern").text
        if action and kind == "prebuilt" and known in ENTITIES:
            entities.setdefault(action, []).append(str(known))
        elif action and kind == "regex" and regex and _runs(regex):
            name = below(node, "name").text or f"pattern-{len(patterns.get(action, [])) + 1}"
            made: Tree = {"id": name, "regex": regex, "max_match": _MAX_MATCH}
            patterns.setdefault(action, []).append(made)
            what = f"is looked for up to {_MAX_MATCH} characters; see 'max_match' of the pattern"
            self.taking.note(node, what)
        else:
            self.taking.leave(
                node, "is a pattern or an action that is not known here; RE2 has no lookaround"
            )
            return
        self.taking.take(node)


def _runs(regex: str) -> bool:
    """Whether the engine here, which is linear in time, can run it."""
    try:
        Shape(regex, max_match=_MAX_MATCH)
    except DetectorError:
        return False
    return True


_KINDS: Mapping[str, Callable[[_Making], list[Json]]] = {
    "presidio": _Making.presidio,
    "hide-secrets": _Making.secrets,
    "hide_secrets": _Making.secrets,
    "litellm_content_filter": _Making.content_filter,
}
