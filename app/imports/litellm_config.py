"""Reads the configuration of LiteLLM's proxy: backends, routes, prices, and rules of guardrails.

Source: https://docs.litellm.ai/docs/proxy/configs, ``/docs/proxy/config_settings``,
``/docs/router/learn/reliability`` and ``/docs/proxy/guardrails``, as of 2026.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.catalog.document import Node
from app.catalog.yaml_source import parse_document, read_bytes
from app.catalog.yaml_writer import yaml_text
from app.domain.conversation import Json
from app.domain.errors import ContentError, Problem
from app.imports.litellm_backends import Backends, CannotCarryError
from app.imports.litellm_guardrails import rules_of
from app.imports.persona_writer import Tree, one_line, told
from app.imports.taking import Taking, below

_PER_MILLION = 1_000_000
_MOST_RETRIES = 5
_LONGEST_S = 3_600
_HOW = "says how one model is asked; a persona's 'sampling' bounds temperature, top_p and length"
_LIMIT = "limits use, which a key does here: banneton keys create --help"
_KEEP = "is for what LiteLLM keeps or tells others; records and metrics say that here"
_WHY_NOT = {
    **dict.fromkeys(("temperature", "top_p", "max_tokens", "seed", "stop"), _HOW),
    **dict.fromkeys(
        ("rpm", "tpm", "max_parallel_requests", "max_budget", "budget_duration"), _LIMIT
    ),
    **dict.fromkeys(
        ("callbacks", "success_callback", "failure_callback", "service_callbacks", "cache"), _KEEP
    ),
    **dict.fromkeys(
        ("cache_params", "database_url", "set_verbose", "json_logs", "alerting"), _KEEP
    ),
    "master_key": "is a key of LiteLLM's; keys are made here by: banneton keys create",
    "environment_variables": "sets variables of the environment; set them where the gateway starts",
    "drop_params": "drops what a model does not know; 'leave_out' of a backend names it here",
    "routing_strategy": "chooses among deployments by load; targets have weights here",
    "routing_strategy_args": "chooses among deployments by load; targets have weights here",
    "context_window_fallbacks": "is for long texts; 'when: {max_context_tokens: …}' of a target "
    "sends them elsewhere before the model is asked",
    "content_policy_fallbacks": "asks another model where one refuses, which no route does here",
    **dict.fromkeys(
        ("allowed_fails", "cooldown_time", "enable_pre_call_checks", "order"),
        "rests deployments that fail; a route asks its fallbacks each time",
    ),
    **dict.fromkeys(
        ("redis_host", "redis_port", "redis_password", "redis_url"),
        "shares state of LiteLLM; nothing here asks for it",
    ),
    "extra_headers": "sends headers; write them under 'headers' of the backend, secrets as ${NAME}",
    "headers": "sends headers; write them under 'headers' of the backend, secrets as ${NAME}",
    "vertex_credentials": "is a credential; Google's own chain finds one, or 'token_file' does",
    "api_version": "is no version of Azure's that is dated; without one, its v1 API is asked",
    "organization": "is OpenAI's organization; write it under 'headers' of the backend",
    "num_retries": "is for all of a route here: 'retries'",
    "max_retries": "is for all of a route here: 'retries'",
    "model_info": "describes a model to LiteLLM; routes know 'lacks', and prices",
    "general_settings": "is a setting of LiteLLM's server; reference/settings.md has those of here",
}
_OTHERWISE = "is not carried over: nothing here knows it"
_COSTS = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cached",
    "cache_creation_input_token_cost": "cache_write",
}
_LACKS = {"supports_vision": "images", "supports_function_calling": "tools"}


@dataclass(slots=True)
class FoundDeployment:
    """What a configuration becomes."""

    backends: dict[str, Tree]
    routes: dict[str, Tree]
    prices: dict[str, Tree]
    rules: list[Json]
    left_out: tuple[Problem, ...]

    def text(self, needed: Collection[str], rest: Tree, origin: str) -> str:
        """A whole ``banneton.yaml``.

        Args:
            needed: Ids of routes that the project's personas name; those that are not there go
                where the first one goes.
            rest: What else the project's own file says.
            origin: What the first line says that it was made of.
        """
        routes = dict(self.routes)
        first = next(iter(routes.values()))
        routes |= {name: first for name in sorted(needed) if name not in routes}
        tree: Tree = {"backends": dict[str, Json](self.backends), "routes": dict[str, Json](routes)}
        if self.prices:
            tree["prices"] = dict[str, Json](self.prices)
        # What the project's file says of backends that are gone means nothing any more.
        kept = {k: each for k, each in rest.items() if k not in {"backends", "routes", "prices"}}
        head = "# yaml-language-server: $schema=schemas/banneton.schema.json\n"
        made = f"# Made of {one_line(origin)}.\n{told(self.left_out)}"
        return head + made + yaml_text({**tree, **kept})

    def policy(self, extends: str, origin: str) -> str:
        """A policy with the rules that guardrails became."""
        head = "# yaml-language-server: $schema=../schemas/policy.schema.json\n"
        made = f"# Made of the guardrails of {one_line(origin)}.\n"
        return head + made + yaml_text({"extends": extends, "rules": self.rules})


def read_litellm(path: Path) -> FoundDeployment:
    """What a configuration of LiteLLM's proxy becomes.

    Raises:
        ContentError: It is no YAML, or names no model that can be asked here.
    """
    tree = parse_document(read_bytes(path, path.name), path.name)
    reading = _Reading(tree, Taking())
    found = reading.whole()
    if not found.routes:
        what = "names no model that can be asked here"
        raise ContentError([*found.left_out, tree.nearest("model_list").problem(what)])
    return found


@dataclass(slots=True)
class _Reading:
    tree: Node
    taking: Taking
    targets: dict[str, list[Tree]] = field(default_factory=dict)
    prices: dict[str, Tree] = field(default_factory=dict)

    def whole(self) -> FoundDeployment:
        backends = Backends(self.taking)
        for entry in below(self.tree, "model_list").items:
            self._deployment(entry, backends)
        routes = self._routes()
        rules = rules_of(below(self.tree, "guardrails"), self.taking)
        for key, node in below(self.tree, "general_settings").entries.items():
            self.taking.leave(node, _WHY_NOT.get(key, _WHY_NOT["general_settings"]))
        self.taking.rest(self.tree, _WHY_NOT, _OTHERWISE)
        left_out = tuple(self.taking.left_out)
        return FoundDeployment(backends.trees, routes, self.prices, rules, left_out)

    def _deployment(self, entry: Node, backends: Backends) -> None:
        name = self.taking.text(entry.child("model_name"))
        params = entry.child("litellm_params")
        if not name or params is None or "*" in name:
            what = "is a deployment without one name; write one route for each model"
            self.taking.leave(entry, what)
            return
        try:
            backend, model = backends.of(params)
        except CannotCarryError as exc:
            self.taking.leave(entry, str(exc))
            return
        target: Tree = {"backend": backend, "model": model}
        weight = self.taking.number(params.child("weight"))
        if weight is not None and 0 < weight <= _PER_MILLION:
            target["weight"] = weight
        elif weight is not None:
            self.taking.leave(params.child("weight"), "is no weight: more than 0, at most 1000000")
        if lacks := list(self._lacks(below(entry, "model_info"))):
            target["lacks"] = lacks
        self._price(entry, backend, model)
        self.targets.setdefault(name, []).append(target)

    def _lacks(self, about: Node) -> Iterator[Json]:
        if below(about, "mode").text == "chat":
            self.taking.take(about.child("mode"))
        for theirs, ours in _LACKS.items():
            node = about.child(theirs)
            if node is not None and isinstance(node.content, bool):
                self.taking.take(node)
                if not node.content:
                    yield ours

    def _price(self, entry: Node, backend: str, model: str) -> None:
        price: Tree = {}
        for place in ("litellm_params", "model_info"):
            for theirs, ours in _COSTS.items():
                cost = self.taking.number(entry.child(place, theirs))
                if cost is not None and 0 <= cost < 1 and ours not in price:
                    price[ours] = round(cost * _PER_MILLION, 9)
        if {"input", "output"} <= price.keys():
            self.prices.setdefault(backend, {})[model] = dict(price)
        elif price:
            what = "is a price without the other one: input and output belong together"
            self.taking.note(entry, what)

    def _routes(self) -> dict[str, Tree]:
        routes: dict[str, Tree] = {}
        retries, deadline = self._retries(), self._seconds()
        for name, targets in self.targets.items():
            plain = len(targets) == 1 and not targets[0].keys() - {"backend", "model"}
            routes[name] = dict(targets[0]) if plain else {"targets": list[Json](targets)}
            routes[name] |= retries | deadline
        for name, node in self._fallbacks():
            if name not in routes or any(each.text not in self.targets for each in node.items):
                self.taking.leave(node, "names a model that is not carried over")
                continue
            self.taking.take(node)
            groups = [each.text or "" for each in node.items]
            chain: list[Json] = [
                {key: value for key, value in target.items() if key != "weight"}
                for group in groups
                for target in self.targets[group]
            ]
            if any(len(self.targets[group]) > 1 for group in groups):
                what = "has several deployments in a group; they are asked one after the other here"
                self.taking.note(node, what)
            routes[name].setdefault("fallbacks", chain)
        return routes | self._aliases(routes)

    def _settings(self, key: str) -> Iterator[Node]:
        for place in ("router_settings", "litellm_settings"):
            node = self.tree.child(place, key)
            if node is not None and node.content is not None:
                yield node

    def _retries(self) -> Tree:
        for node in self._settings("num_retries"):
            number = self.taking.number(node)
            if number is not None and number >= 0:
                if number > _MOST_RETRIES:
                    self.taking.note(node, f"is {_MOST_RETRIES} here, which is the most")
                return {"retries": min(int(number), _MOST_RETRIES)}
        return {}

    def _seconds(self) -> Tree:
        for node in (*self._settings("timeout"), *self._settings("request_timeout")):
            seconds = self.taking.number(node)
            if seconds is not None and 0 < seconds <= _LONGEST_S:
                what = "is 'deadline_ms' of routes here: to the first event of an answer"
                self.taking.note(node, what)
                return {"deadline_ms": int(seconds * 1_000)}
        return {}

    def _fallbacks(self) -> Iterator[tuple[str, Node]]:
        for node in self._settings("fallbacks"):
            for item in node.items:
                yield from item.entries.items()
        for node in self._settings("default_fallbacks"):
            for name in self.targets:
                if name not in [each.text for each in node.items]:
                    yield name, node

    def _aliases(self, routes: dict[str, Tree]) -> dict[str, Tree]:
        made: dict[str, Tree] = {}
        for node in self._settings("model_group_alias"):
            for alias, group in node.entries.items():
                named = group.text or below(group, "model").text or ""
                if named in routes and alias not in routes:
                    self.taking.take(group)
                    made[alias] = routes[named]
        return made
