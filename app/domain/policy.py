"""Policies as they stand after inheritance and shorthands are resolved."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum


class Stage(StrEnum):
    """Where in an exchange a rule looks."""

    INPUT = "input"
    TOOL_RESULT = "tool_result"
    TOOL_CALL = "tool_call"
    OUTPUT = "output"


class Action(StrEnum):
    """What a rule does about a finding."""

    ALLOW = "allow"
    FLAG = "flag"
    STEER = "steer"
    RETRY = "retry"
    PSEUDONYMIZE = "pseudonymize"
    MASK = "mask"
    ESCALATE = "escalate"
    BLOCK = "block"


class PseudonymForm(StrEnum):
    """What a pseudonym looks like."""

    TOKEN = "token"  # noqa: S105  # no password
    """The kind of value, and characters that mean nothing."""
    SURROGATE = "surrogate"
    """An invented value of the same kind, that is nobody's."""


REWRITES = frozenset({Action.PSEUDONYMIZE, Action.MASK})
STOPS = frozenset({Action.ESCALATE, Action.BLOCK})

_STRICTER = {
    Action.ALLOW: frozenset(Action),
    Action.FLAG: frozenset(Action) - {Action.ALLOW},
    Action.STEER: frozenset({Action.STEER, Action.ESCALATE, Action.BLOCK}),
    Action.RETRY: frozenset({Action.RETRY, Action.ESCALATE, Action.BLOCK}),
    Action.PSEUDONYMIZE: frozenset(
        {Action.PSEUDONYMIZE, Action.MASK, Action.ESCALATE, Action.BLOCK}
    ),
    Action.MASK: frozenset({Action.MASK, Action.ESCALATE, Action.BLOCK}),
    Action.ESCALATE: frozenset({Action.ESCALATE, Action.BLOCK}),
    Action.BLOCK: frozenset({Action.BLOCK}),
}


def is_at_least(action: Action, other: Action) -> bool:
    """Whether ``action`` is as strict as ``other`` or stricter, in the partial order of actions.

    ``allow < flag < pseudonymize < mask < escalate < block``, ``flag < steer < escalate`` and
    ``flag < retry < escalate``; steer and retry cannot be compared with the rewrites.
    """
    return action in _STRICTER[other]


class Mode(StrEnum):
    """Whether a rule acts on what it finds."""

    ENFORCE = "enforce"
    OBSERVE = "observe"
    """Decides and records, does not act."""


@dataclass(frozen=True, slots=True)
class Step:
    """From this score on, do this."""

    at: float
    do: Action


Steps = tuple[Step, ...]
"""A step function of score: ordered by ``at``, below the first step the action is ``allow``."""


def action_at(steps: Steps, score: float) -> Action:
    """The action of a step function at a score."""
    action = Action.ALLOW
    for step in steps:
        if score < step.at:
            break
        action = step.do
    return action


def lowered(action: Action, caps: Iterable[Action]) -> Action:
    """The action as waivers to these leave it: what is stricter than one of them becomes it."""
    for cap in caps:
        if is_at_least(action, cap):
            action = cap
    return action


@dataclass(frozen=True, slots=True)
class DetectSpec:
    """Which detector a rule uses, and with which settings."""

    detector: str
    settings: Mapping[str, object] = field(default_factory=dict)
    """As validated by the detector's own settings model; JSON values only."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One detector at one or more stages, with actions by audience and score."""

    id: str
    stages: frozenset[Stage]
    detect: DetectSpec
    then: Mapping[str, Steps]
    """For every audience of the policy."""
    append: str = ""
    """What ``steer`` adds at the end of the answer."""
    pseudonym: PseudonymForm = PseudonymForm.TOKEN
    """What ``pseudonymize`` puts in the place of a value."""
    mode: Mode = Mode.ENFORCE
    enforce_percent: float = 100.0
    """For which share of traffic a rule that enforces acts; for the rest it observes."""
    timeout_ms: int = 1500
    """For detectors that leave the process; local ones are bounded by the text's length."""
    on_unchecked: Action = Action.BLOCK
    why: str = ""
    """The author's reason, shown to reviewers."""

    @property
    def enforced_percent(self) -> float:
        """For which share of all traffic the rule acts."""
        return self.enforce_percent if self.mode is Mode.ENFORCE else 0.0


@dataclass(frozen=True, slots=True)
class Waiver:
    """The one way to be weaker: for one rule and audience, until a date, with a reason."""

    rule: str
    audience: str
    to: Action
    """The rule's actions that are stricter than this are lowered to it."""
    reason: str
    approved_by: str
    expires: date
    """The last day (UTC) on which the waiver holds."""
    signature: str = ""
    """The approver's SSH signature, where the deployment asks for one."""


class Approval(StrEnum):
    """How it is verified who approved a waiver, the weakest way first."""

    NAMED = "named"
    """Somebody is named; nothing is verified."""
    CODEOWNERS = "codeowners"
    """Who is named owns the policy's file; ``check`` verifies it."""
    SIGNATURE = "signature"
    """Who is named signed the waiver; ``check`` and the gateway verify it."""


class KeepContent(StrEnum):
    """Which text of an exchange the ledger may keep."""

    NONE = "none"
    REWRITTEN = "rewritten"
    """What the model saw and what it answered, after all rewrites: no restored personal data."""


@dataclass(frozen=True, slots=True)
class Keep:
    """What the ledger may keep of an exchange, and for how long."""

    content: KeepContent = KeepContent.NONE
    content_days: int = 30
    findings_days: int = 400


Categories = frozenset[str] | None
"""Kinds of values, by the detectors' words for them; none means all."""

ANY_TOOL = "*"
"""Stands for every tool that is not named."""


def _every_tool() -> Mapping[str, Categories]:
    return {ANY_TOOL: None}


@dataclass(frozen=True, slots=True)
class Restore:
    """Which values each sink gets in place of their pseudonyms. Records never get any."""

    user: Categories = None
    """In the answer, its refusals and its reasoning."""
    tools: Mapping[str, Categories] = field(default_factory=_every_tool)
    """By tool, in the arguments of its calls; ``ANY_TOOL`` is always there."""

    def for_tool(self, name: str | None) -> Categories:
        """What the arguments of this tool's calls get; none as a name stands for any tool."""
        return self.tools[name if name is not None and name in self.tools else ANY_TOOL]


@dataclass(frozen=True, slots=True)
class Budget:
    """How often each rule may stop a harmless text, and by which texts that is told."""

    false_alarms: Mapping[str, float]
    """For every audience of the policy, a share in [0, 1]."""
    harmless: tuple[str, ...] = ()
    """Files of texts that no rule should stop, as paths under the project's root."""
    harmful: tuple[str, ...] = ()
    """Files of texts that should be stopped: what a threshold catches is told by them."""


class MediaKind(StrEnum):
    """What a request or an answer may hold besides text, by the policy's keys below ``media``."""

    IMAGES = "images"
    FILES = "files"
    ANSWER_IMAGES = "answers.images"
    """Pictures that a model made."""

    @property
    def place(self) -> tuple[str, ...]:
        """The way to the key, below ``media``."""
        return tuple(self.split("."))


@dataclass(frozen=True, slots=True)
class MediaBounds:
    """Which pictures or files a request or an answer may hold. Nobody looks inside them."""

    types: frozenset[str]
    """Media types, such as ``image/png``."""
    max_bytes: int
    """Of each one."""
    max_count: int
    """Of all in a request, those of earlier turns included; or of all in an answer."""
    strictest_audience: str
    """May send or get them, and so may every looser audience."""
    hosts: frozenset[str] = frozenset()
    """Where a provider may fetch them from: hosts, or ``*.`` and a domain."""


@dataclass(frozen=True, slots=True)
class Media:
    """What requests and answers may hold besides text. None of a kind that has no bounds."""

    images: MediaBounds | None = None
    files: MediaBounds | None = None
    answer_images: MediaBounds | None = None

    def of(self, kind: MediaKind) -> MediaBounds | None:
        """The bounds of a kind."""
        match kind:
            case MediaKind.IMAGES:
                return self.images
            case MediaKind.FILES:
                return self.files
            case MediaKind.ANSWER_IMAGES:
                return self.answer_images


@dataclass(frozen=True, slots=True)
class Policy:
    """A set of rules, after inheritance."""

    id: str
    audiences: tuple[str, ...]
    """Strictest first, as the root policy declares them."""
    default_audience: str
    rules: tuple[Rule, ...]
    waivers: tuple[Waiver, ...] = ()
    keep: Keep = Keep()
    restore: Restore = Restore()
    media: Media = Media()
    budget: Budget | None = None
    """None where the policy sets no bound on false alarms."""
    extends: str | None = None
    """The parent's id."""

    def is_stricter_or_same(self, audience: str, other: str) -> bool:
        """Whether ``audience`` is as strict as ``other`` or stricter."""
        return self.audiences.index(audience) <= self.audiences.index(other)

    def takes_media(self, kind: MediaKind, audience: str) -> bool:
        """Whether an audience may send any of a kind, or get any in an answer."""
        bounds = self.media.of(kind)
        return (
            bounds is not None
            and bounds.strictest_audience in self.audiences
            and self.is_stricter_or_same(bounds.strictest_audience, audience)
        )

    def answer_images(self, audience: str) -> MediaBounds | None:
        """Which pictures an answer for an audience may hold; none where it may hold none."""
        takes = self.takes_media(MediaKind.ANSWER_IMAGES, audience)
        return self.media.answer_images if takes else None


def rule_by_id(rules: Sequence[Rule], rule_id: str) -> Rule | None:
    """The rule with this id, if there is one."""
    return next((rule for rule in rules if rule.id == rule_id), None)


def waivers_on(policy: Policy, rule_id: str, audience: str, day: date) -> tuple[Waiver, ...]:
    """The waivers that hold for a rule and an audience on a day (UTC)."""
    return tuple(
        waiver
        for waiver in policy.waivers
        if (waiver.rule, waiver.audience) == (rule_id, audience) and waiver.expires >= day
    )


def steps_under(steps: Steps, waivers: Iterable[Waiver]) -> Steps:
    """What is done at each score while these waivers hold."""
    caps = [waiver.to for waiver in waivers]
    return tuple(Step(step.at, lowered(step.do, caps)) for step in steps)


def outage_under(on_unchecked: Action, waivers: Iterable[Waiver]) -> Action:
    """What is done where a detector did not run, while these waivers hold.

    A rewrite cannot be done there, so a waiver to one leaves it as it is.
    """
    return lowered(on_unchecked, [w.to for w in waivers if w.to not in REWRITES])
