"""Where the parts of policies and personas are written, after inheritance."""

from dataclasses import dataclass

from app.domain.catalog import Catalog, Source


@dataclass(frozen=True, slots=True)
class Written:
    """A part, and the place that says it."""

    key: str
    """Where in the merged file, as ``rules[2].then.public``."""
    source: Source
    """In the file that set it last: this one or one that it extends."""


class Origins:
    """Finds the place of a part by what it is: a rule by its id, a waiver by rule and audience.

    What the files leave out has the place of the nearest thing around it that they say.
    """

    def __init__(self, catalog: Catalog) -> None:
        """Look in this catalog."""
        self._catalog = catalog

    def rule(self, policy: str, rule: str, *keys: str) -> Written:
        """A rule, or a part of it such as ``detect``."""
        rules = self._catalog.policies[policy].rules
        index = next(index for index, each in enumerate(rules) if each.id == rule)
        return self._nearest(f"policies/{policy}.yaml", f"rules[{index}]", *keys)

    def acts(self, policy: str, rule: str) -> Written:
        """What says for which share of traffic a rule acts: for all rules, or for this one."""
        for key in ("mode", "enforce_percent"):
            for written in (self.policy(policy, key), self.rule(policy, rule, key)):
                if written.key.endswith(key):
                    return written
        return self.rule(policy, rule)

    def then(self, policy: str, rule: str, audience: str) -> Written:
        """What a rule does for an audience; where that is not named, the next looser named one."""
        audiences = self._catalog.policies[policy].audiences
        for name in audiences[audiences.index(audience) :]:
            written = self.rule(policy, rule, "then", name)
            if written.key.endswith(f".{name}"):
                return written
        return self.rule(policy, rule, "then")

    def waiver(self, policy: str, rule: str, audience: str) -> Written:
        """A waiver."""
        waivers = self._catalog.policies[policy].waivers
        index = next(i for i, w in enumerate(waivers) if (w.rule, w.audience) == (rule, audience))
        return self._nearest(f"policies/{policy}.yaml", f"waivers[{index}]")

    def policy(self, policy: str, *keys: str) -> Written:
        """A policy, or a part of it such as ``keep``."""
        return self._nearest(f"policies/{policy}.yaml", *keys)

    def persona(self, persona: str, *keys: str) -> Written:
        """A persona, or a part of it such as ``replies``."""
        return self._nearest(f"personas/{persona}.yaml", *keys)

    def route(self, route: str) -> Written:
        """A route of the deployment."""
        return self._nearest("banneton.yaml", "routes", route)

    def deployment(self, *keys: str) -> Written:
        """A section of the deployment, or a part of it such as ``access.claims``."""
        return self._nearest("banneton.yaml", *keys)

    def _nearest(self, file: str, *keys: str) -> Written:
        sources = self._catalog.sources
        path = ""
        for key in keys:
            below = f"{path}.{key}" if path else key
            if (file, below) not in sources:
                break
            path = below
        return Written(path, sources[file, path])
