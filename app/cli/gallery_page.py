"""The reference page that shows every persona of a project."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from app.cli.tables import cell, code, table

if TYPE_CHECKING:
    from app.domain.persona import Behaviour, Persona
    from app.domain.policy import Steps
    from app.evals.gallery import Differs, Shown, Stopped, Talk
    from app.main import Project
    from app.pipeline.loaded import Loaded

FILE = "gallery.md"
_MARKUP = re.compile(r"([\\`*_\[\]<>|])")
_LANGUAGES = {"en": "in English", "zh": "in Chinese"}
_INTRO = (
    "# Gallery",
    "",
    "<!-- Made by `make docs` from personas, policies, cases and recordings. Do not edit. -->",
    "",
    "Every persona that ships, as it speaks. The conversations are those of its cases, with the",
    "answers recorded for them: people wrote these, so they show what a persona is meant to sound",
    "like, and not what a model makes of it ([run them on yours](../how-to/run-evals.md)). What is",
    "stopped was stopped by running the policy while this page was made.",
    "",
    "To start from one, name it: `banneton init my-desk --from bank-service` makes a persona of",
    "your own with what this one has. Change its voice, its limits and its cases, and",
    "`banneton check` says what still holds.",
    "",
)


def gallery_page(project: "Project", loaded: "Loaded") -> str:
    """The page, the same on every machine.

    Raises:
        ContentError: The project's cases or recordings cannot be read.
    """
    import asyncio

    from app.catalog.recordings import RecordingFiles
    from app.evals.cases import cases_of
    from app.evals.gallery import gallery
    from app.main import SystemClock

    cases = cases_of(project.root, loaded.catalog, project.builds)
    recordings = RecordingFiles(project.root).all
    shown = asyncio.run(gallery(loaded, cases, recordings, SystemClock()))
    return (
        "\n".join([*_INTRO, *_contents(shown), *(line for one in shown for line in _of(one))])
        + "\n"
    )


def _contents(shown: "Sequence[Shown]") -> Iterator[str]:
    rows = (
        (f"[{each.persona.name}](#{each.persona.id})", each.persona.description) for each in shown
    )
    yield from table("persona", "what it is for", rows=rows)


def _of(shown: "Shown") -> Iterator[str]:
    persona = shown.persona
    yield from (f"## {persona.id}", "")
    yield from _card(persona)
    for talk in shown.talks:
        yield from _talk(persona.name, talk)
    if shown.stopped:
        yield from ("### What policy stops", "")
        for stopped in shown.stopped:
            yield from _stopped(persona.name, stopped)
    if shown.differs:
        yield from ("### What differs by audience", "")
        yield from _differs(shown.differs)


def _card(persona: "Persona") -> Iterator[str]:
    voice = persona.voice
    yield f"**{persona.name}**, {persona.identity.role}. {persona.description}"
    yield ""
    rows = [
        ("for", persona.identity.readers),
        (
            "voice",
            f"{', '.join(voice.tone)}; {voice.formality}, {voice.verbosity}, warmth {voice.warmth}",
        ),
        ("holds to", "; ".join(persona.identity.values)),
        ("variables", ", ".join(map(code, persona.variables))),
        ("files", ", ".join(_files(persona))),
    ]
    yield from table("", persona.name, rows=(row for row in rows if row[1]))
    limits = [each for each in persona.behaviours if each.authority in {"platform", "policy"}]
    if limits:
        yield from ("Its limits, which no user can talk it out of:", "")
        yield from (_limit(each) for each in limits)
        yield ""
    if persona.scenarios:
        yield from ("Scenarios, of which a request may name one:", "")
        for name, scenario in persona.scenarios.items():
            yield f"- {code(name)}: {cell(scenario.description)}"
        yield ""


def _limit(behaviour: "Behaviour") -> str:
    how = (
        ""
        if behaviour.verify is None
        else f" Every answer is measured; on failure {code(behaviour.on_fail)}."
    )
    return f"- {cell(behaviour.instruct)}{how}"


def _files(persona: "Persona") -> Iterator[str]:
    """Named and not linked: the documentation's site has no files of the repository."""
    for path in (
        f"personas/{persona.id}.yaml",
        f"personas/{persona.id}.cases.yaml",
        f"policies/{persona.policy}.yaml",
        f"policies/{persona.policy}.cases.yaml",
        *persona.knowledge,
    ):
        yield code(path)


def _talk(name: str, talk: "Talk") -> Iterator[str]:
    yield from (f"### {_title(talk.case)}, {_LANGUAGES[talk.language]}", "")
    said = [talk.why] if talk.why else []
    said += [f"Scenario {code(talk.scenario)}."] if talk.scenario else []
    said += [f"Served as {code(talk.audience)}."]
    yield from (" ".join(said), "")
    for index, turn in enumerate(talk.turns):
        if index:
            yield ">"
        yield from _quoted("User", turn.user)
        yield ">"
        stopped = (
            f" (the rule {code(turn.stopped_by)}; no model was asked)" if turn.stopped_by else ""
        )
        yield from _quoted(f"{name}{stopped}", turn.answer)
    yield ""


def _title(case: str) -> str:
    return f"{case[0].upper()}{case[1:]}"


def _stopped(name: str, stopped: "Stopped") -> Iterator[str]:
    is_input = stopped.stage == "input"
    yield from _quoted("User" if is_input else f"{name}, if the model said it", stopped.text)
    yield ">"
    yield from _quoted(name if is_input else "What the user gets instead", stopped.reply)
    yield ">"
    by = ", ".join(f"{audience} {code(outcome)}" for audience, outcome in stopped.outcomes.items())
    yield f"> Rule {code(stopped.rule)}: {by}."
    yield ""


def _quoted(who: str, text: str) -> Iterator[str]:
    first, *rest = _MARKUP.sub(r"\\\1", text).split("\n")
    yield f"> **{who}:** {first}"
    yield from (f"> {line}".rstrip() for line in rest)


def _differs(differs: "Sequence[Differs]") -> Iterator[str]:
    audiences = tuple(differs[0].then)
    rows = (
        (code(each.rule), *(_action(each.then, audience) for audience in audiences), each.why)
        for each in differs
    )
    yield from table("rule", *audiences, "why", rows=rows)


def _action(then: "Mapping[str, Steps]", audience: str) -> str:
    steps = then[audience]
    if len(steps) == 1 and steps[0].at == 0:
        return str(steps[0].do)
    return ", ".join(f"{step.do} from {step.at:g}" for step in steps) or "allow"
