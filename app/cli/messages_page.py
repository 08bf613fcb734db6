"""The page of all messages: what is said, where people meet it, and what to do."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from app.cli.message_code import UNKNOWN
from app.cli.message_source import Said, messages

_REQUESTS = frozenset(
    (
        "RequestError",
        "FieldRefusedError",
        "Refused",
        "MisfitError",
        "_RefusedError",
        "AccessError",
        "Failure",
    )
)
_PROVIDERS = frozenset(("BackendError",))


@dataclass(frozen=True, slots=True)
class Place:
    """A group of messages that are met at one place and asked the same of their reader."""

    title: str
    remedy: str
    modules: tuple[str, ...]
    kinds: frozenset[str] | None = None
    """The calls that say them; none where all of those modules do."""

    def holds(self, said: Said) -> bool:
        """Whether a message is met here."""
        is_kind = self.kinds is None or said.kind in self.kinds
        return is_kind and any(fnmatchcase(said.module, each) for each in self.modules)


NOT_MET: tuple[Place, ...] = (
    Place("the pages that list errors raise none", "", ("cli/reference",)),
    Place("settings are checked as they are read", "", ("settings/data_uses",)),
    Place("a defect, which tests would show", "", ("domain/vectors", "metrics/*")),
    Place("a defect, which tests would show", "", ("guardrails/linear", "guardrails/ngrams")),
    Place("a defect, which tests would show", "", ("guardrails/release", "guardrails/channel")),
    Place("a defect, which tests would show", "", ("guardrails/recognizers/*", "review/report/*")),
    Place("caught where they are raised", "", ("*",), frozenset(("ValidationError",))),
    Place(
        "caught where they are raised",
        "",
        ("ledger/*", "pipeline/*", "guardrails/detectors/webhook", "guardrails/detectors/prompt_*"),
        frozenset(("ValueError",)),
    ),
)
"""Of what stands in the code: what nobody meets, and why."""

FILES: tuple[Place, ...] = (
    Place(
        "Reading a file",
        "Open the file at the line and column. Files are YAML 1.2 in UTF-8, read strictly: no "
        "tabs, no tags, no key twice. Texts with `: `, `, ` or a first `*`, `@`, `{` go in quotes.",
        ("catalog/yaml_source", "catalog/document", "catalog/labelled", "catalog/labelled_answers"),
    ),
    Place(
        "Keys and values",
        "Compare with the [persona](persona.md), [policy](policy.md), [cases](cases.md) or "
        "[banneton.yaml](settings.md) page. An editor that reads the schema named in a file's "
        "first line shows the same while you type.",
        ("catalog/wording", "catalog/files", "catalog/inherit", "catalog/reload"),
    ),
    Place(
        "Personas, behaviours, variants",
        "See [persona files](persona.md) and [behaviours](../how-to/behaviours.md).",
        (
            "catalog/persona_file",
            "catalog/behaviours",
            "catalog/verify",
            "catalog/variants",
            "catalog/rollouts",
            "domain/persona",
        ),
    ),
    Place(
        "Policies, rules, audiences",
        "What is weaker than a looser audience or a parent does not load: make it as strict, or "
        "[waive it until a date](../how-to/waive-a-rule.md). The rest is in "
        "[policy files](policy.md).",
        (
            "catalog/policy_file",
            "catalog/cross_check",
            "catalog/tier",
            "catalog/restore_file",
            "catalog/media_file",
            "catalog/budget_file",
            "guardrails/plan",
            "domain/links",
        ),
    ),
    Place(
        "Detectors and patterns",
        "See the page of the [detector](detectors.md). Patterns are RE2's: no look-around, no "
        "back-references. Where a package is missing, the message names what to install.",
        ("guardrails/detectors/*", "guardrails/*", "evals/likeness"),
        frozenset(("ValueError", "Problem", "DetectorError", "Unchecked")),
    ),
    Place(
        "Prompts",
        "Open the template at the line. Client text can be printed and compared, nothing else; "
        "`banneton render PERSONA` shows what comes out.",
        ("compose/*",),
        frozenset(("Problem", "TemplateMistakeError", "TemplateSyntaxError", "prompt_problem")),
    ),
    Place(
        "Cases, checks, suites, recordings",
        "See [write cases](../how-to/write-cases.md), [checks](checks.md) and "
        "[recordings](recordings.md).",
        (
            "catalog/cases",
            "catalog/case_writer",
            "catalog/check_reader",
            "catalog/conversation_case",
            "catalog/suite",
            "catalog/recording*",
            "evals/run",
            "evals/budget",
            "evals/careful",
        ),
    ),
    Place(
        "Waivers, approvals, signatures",
        "See [waive a rule](../how-to/waive-a-rule.md) and "
        "[let something be weaker](../how-to/review-a-change.md#let-something-be-weaker).",
        ("catalog/approvals", "catalog/weakenings", "catalog/ssh_signature"),
    ),
    Place(
        "banneton.yaml",
        "See [settings](settings.md). Keys and passwords stand in the environment or in files, "
        "never in YAML. `serve` does not start before all is right; a running gateway keeps the "
        "last good files.",
        (
            "settings/*",
            "providers",
            "outgoing",
            "admit",
            "catalog/route_file",
            "catalog/read",
            "backends/*",
            "cli/serve",
        ),
        frozenset(
            ("ContentError", "ValueError", "Problem", "problem", "key_problem", "file_problem")
        ),
    ),
)
REQUESTS: tuple[Place, ...] = (
    Place(
        "Keys, claims, audiences (401, 403)",
        "A key is made with `banneton keys create`; what it may is said there. See "
        "[audiences and keys](../how-to/audiences-and-keys.md).",
        ("access/*", "api/*"),
        frozenset(("AccessError",)),
    ),
    Place(
        "The request as a whole",
        "Send JSON in UTF-8 to an endpoint of `GET /openapi.json`; forms only where pictures are "
        "edited.",
        ("api/transport", "api/forms", "api/dialect", "api/asgi", "api/health", "api/guard"),
        _REQUESTS,
    ),
    Place(
        "Values of fields",
        "The message begins with the field, and `param` names it. What may stand there is in "
        "[coverage](coverage.md).",
        ("api/shapes", "api/compound", "api/media_fields", "api/openai_*", "api/anthropic_*"),
        frozenset(("MisfitError", "RequestError", "FieldRefusedError")),
    ),
    Place(
        "Fields that are not taken, or not given back",
        "Leave the field out, or do what its reason says. All fields with their reasons are in "
        "[coverage](coverage.md).",
        ("api/*",),
        frozenset(("Refused",)),
    ),
    Place(
        "What persona and policy allow",
        "The persona's file and its policy decide this, not the request: change the request, or "
        "ask whoever owns the persona.",
        ("pipeline/*", "compose/*", "access/*", "main", "review/explain"),
        _REQUESTS,
    ),
    Place(
        "What the persona's model can do",
        "Another route may be able to: see [routes](../how-to/routes.md) and "
        "[what providers are sent](providers.md).",
        ("backends/*",),
        _REQUESTS,
    ),
    Place(
        "Records, feedback, metrics",
        "See [HTTP endpoints](http.md) for what may be asked.",
        ("api/feedback", "api/records", "ledger/records", "ledger/feedback", "domain/feedback"),
        _REQUESTS | {"ValueError"},
    ),
    Place(
        "The console",
        "Load the page again; what a key may see there is said where keys are made. See "
        "[the console](../how-to/use-the-console.md).",
        ("console/*",),
    ),
    Place(
        "Failures that are not the caller's",
        "The record and the log of the gateway have the cause, under the request's id. Where "
        "`x-should-retry` is `false`, the same request fails again. See [errors](errors.md).",
        ("api/errors",),
        _REQUESTS,
    ),
)
BEHIND: tuple[Place, ...] = (
    Place(
        "What a provider did",
        "Callers get one of the failures above, never this text: `banneton eval`, `chat` and "
        "detectors that ask a model show it. Where the provider speaks another protocol than its "
        "`type` says, correct `type` or `base_url` in banneton.yaml.",
        ("backends/*", "api/anthropic_blocks"),
        _PROVIDERS,
    ),
    Place(
        "Checks that could not run",
        "`on_unchecked` of the rule says what follows. Look at the endpoint or route that the "
        "detector asks.",
        ("backends/outside", "api/openai_moderations", "guardrails/*", "pipeline/said"),
    ),
    Place(
        "Keys for signed claims",
        "In the log, and as 503 `claims_unavailable`: look whether the gateway can reach the "
        "address of the key set.",
        ("access/key_set",),
    ),
)
COMMANDS: tuple[Place, ...] = (
    Place(
        "Options and arguments",
        "`banneton COMMAND --help` has an example; [commands](commands.md) has all options.",
        ("cli/*", "stages", "main", "starter/*", "catalog/new_files"),
        frozenset(
            ("BadParameter", "RequestError", "echo", "BannetonError", "Problem", "ValueError")
        ),
    ),
    Place(
        "Plan and replay",
        "See [review what a change does](../how-to/review-a-change.md) and "
        "[replay a change](../how-to/replay-a-change.md).",
        ("review/*", "planning", "plan_*"),
    ),
    Place(
        "Evals",
        "See [run conversations](../how-to/run-evals.md).",
        ("evals/*", "stages", "backends/recorded"),
    ),
    Place(
        "What an import leaves out",
        "An import never drops anything in silence: what is listed has to be written by hand, or "
        "done without.",
        ("imports/*",),
    ),
    Place(
        "Data sets",
        "See [make a data set](../how-to/export-a-dataset.md).",
        ("datasets/*", "cli/export"),
    ),
    Place(
        "The ledger",
        "The gateway does not start, or does not serve, without its ledger. See "
        "[the ledger](../how-to/ledger.md) and [deploy](../how-to/deploy.md).",
        ("ledger/*", "main", "cli/*"),
    ),
)
PARTS: tuple[tuple[str, str, tuple[Place, ...]], ...] = (
    (
        "In files",
        (
            "`banneton check` prints these with file, line and column, all of them at once, and "
            "ends with 1; `serve` prints them and does not start; a running gateway keeps the "
            "last good files and says them in its log."
        ),
        FILES,
    ),
    ("In answers to HTTP requests", "As `error.message`, with a status and a code.", REQUESTS),
    ("Behind an answer", "In logs, in results of `banneton eval`, in records.", BEHIND),
    ("On the command line", "On standard error; the command ends with 2.", COMMANDS),
)
_ASKED = "; did you mean '…'? (…)"
_HINT = re.compile(
    r"; (?:(?:…|did you mean '…'\?|choose from) \(…(?:, …)?\)|known are: …(?:, …)?|there are none)"
)


@cache
def collected() -> tuple[Said, ...]:
    """Every message that the code can say."""
    return tuple(messages(Path(__file__).parent.parent))


def place_of(said: Said) -> Place | None:
    """Where a message is met, also among those that nobody meets."""
    every = (*NOT_MET, *(place for _, _, places in PARTS for place in places))
    return next((place for place in every if place.holds(said)), None)


def shown(text: str) -> str:
    """A message as the page shows it: the many ways in which a hint may read are one."""
    text = re.sub(r"…[….]*…", UNKNOWN, text)
    return re.sub(r"\s+", " ", _HINT.sub(_ASKED, text)).strip()


def messages_page() -> Iterator[str]:
    """The page, line by line."""
    yield "Every message that Banneton says on purpose, collected from its code. `…` stands for"
    yield "what is known only when it is said: a name, a number, a list to choose from. Messages"
    yield "never hold what a user wrote, nor a key. What a code of HTTP means is in"
    yield "[errors](errors.md)."
    yield ""
    by_place: dict[Place, dict[str, None]] = {}
    for said in collected():
        if place := place_of(said):
            by_place.setdefault(place, {})[shown(said.text)] = None
    for part, about, places in PARTS:
        yield from (f"## {part}", "", about, "")
        for place in places:
            texts = by_place.get(place, {})
            short = {text.replace(_ASKED, "") for text in texts if _ASKED in text}
            yield from (f"### {place.title}", "", f"**What to do.** {place.remedy}", "")
            yield from (f"- {_code(text)}" for text in sorted(set(texts) - short))
            yield ""


def _code(text: str) -> str:
    return f"`` {text} ``" if "`" in text else f"`{text}`"
