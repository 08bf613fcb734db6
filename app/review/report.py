"""A review as people and machines read it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import orjson

from app.domain.conversation import Json
from app.review.change import Effect, Located
from app.review.compare import Review
from app.review.concerns.prompts import PromptChange

_TITLES = {
    Effect.WEAKER: "Weaker",
    Effect.CHANGED: "Changed",
    Effect.STRICTER: "Stricter",
    Effect.COSMETIC: "Means the same",
}
_LEVELS = {
    Effect.WEAKER: "error",
    Effect.CHANGED: "warning",
    Effect.STRICTER: "note",
    Effect.COSMETIC: "none",
}
_SARIF = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
MARK = "<!-- banneton plan -->"
"""Begins the Markdown, so that a workflow finds its own comment again."""


def last_line(review: Review) -> str:
    """The whole review in one line of counts."""
    counts = ", ".join(f"{review.count(effect)} {effect}" for effect in Effect)
    return f"{counts}; composed prompts that read differently: {len(review.prompts)}"


def text(review: Review) -> Iterator[str]:
    """Lines for a terminal, worst first."""
    for effect in Effect:
        located = [each for each in review.changes if each.change.effect is effect]
        if located:
            yield f"{_TITLES[effect]}:"
            yield from (f"  {_place(each)}  {_about(each)}" for each in located)
            yield ""
    for prompt in review.prompts:
        yield f"{_title(prompt)}:"
        yield from (f"  {line}" for line in prompt.diff)
        yield ""
    yield last_line(review)


def markdown(review: Review) -> Iterator[str]:
    """Lines for a comment in a pull request."""
    yield MARK
    head = "something is **weaker** than before" if review.is_weaker else "nothing is weaker"
    yield f"### Persona and policy review: {head}"
    yield ""
    yield last_line(review)
    yield ""
    for effect in Effect:
        located = [each for each in review.changes if each.change.effect is effect]
        if located:
            yield f"#### {_TITLES[effect]}"
            yield ""
            yield "| where | what | for whom |"
            yield "| --- | --- | --- |"
            for each in located:
                row = (f"`{_place(each)}`", _what(each), _whom(each))
                yield f"| {' | '.join(map(_cell, row))} |"
            yield ""
    for prompt in review.prompts:
        fence = _fence(prompt.diff)
        yield f"<details><summary>{_escaped(_title(prompt))}</summary>"
        yield ""
        yield f"{fence}diff"
        yield from prompt.diff
        yield fence
        yield ""
        yield "</details>"
        yield ""


def _fence(lines: tuple[str, ...]) -> str:
    """A fence that no line of a prompt can close."""
    longest = 2
    for line in lines:
        marks = line[1:].lstrip()
        longest = max(longest, len(marks) - len(marks.lstrip("`")))
    return "`" * (longest + 1)


def _escaped(said: str) -> str:
    return said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cell(said: str) -> str:
    return _escaped(" ".join(said.split())).replace("|", "\\|")


def sarif(review: Review, version: str, *, prefix: str = "") -> str:
    """SARIF 2.1.0, for code scanning.

    Args:
        review: What to tell.
        version: Of this program.
        prefix: The project's folder in its repository, with a slash at its end.
    """
    results = [
        _result(each, prefix)
        for each in review.changes
        if each.change.effect is not Effect.COSMETIC
    ]
    rules = [
        {
            "id": name,
            "shortDescription": {"text": f"{_TITLES[effect]}: {concern}"},
            "defaultConfiguration": {"level": _LEVELS[effect]},
        }
        for name, (effect, concern) in sorted(
            {
                _rule_id(each): (each.change.effect, each.change.concern)
                for each in review.changes
                if each.change.effect is not Effect.COSMETIC
            }.items()
        )
    ]
    driver = {
        "name": "banneton",
        "version": version,
        "informationUri": "https://github.com/banneton/banneton",
        "rules": rules,
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return _json({"$schema": _SARIF, "version": "2.1.0", "runs": [run]})


def _rule_id(located: Located) -> str:
    return f"{located.change.effect}/{located.change.concern}"


def _result(located: Located, prefix: str) -> Json:
    source = located.source
    locations = []
    if source is not None:
        region = {"startLine": max(source.line, 1), "startColumn": max(source.column, 1)}
        artifact = {"uri": _uri(prefix + source.file), "uriBaseId": "%SRCROOT%"}
        locations = [{"physicalLocation": {"artifactLocation": artifact, "region": region}}]
    return {
        "ruleId": _rule_id(located),
        "level": _LEVELS[located.change.effect],
        "message": {"text": _about(located)},
        "locations": locations,
    }


def _uri(path: str) -> str:
    return quote(path)


def document(review: Review) -> str:
    """JSON with every field."""
    return _json(
        {
            "before": review.before,
            "after": review.after,
            "counts": {effect.value: review.count(effect) for effect in Effect},
            "changes": [_change_json(each) for each in review.changes],
            "prompts": [_prompt_json(each) for each in review.prompts],
        }
    )


def _change_json(located: Located) -> Mapping[str, Any]:
    change, source = located.change, located.source
    return {
        "effect": change.effect,
        "concern": change.concern,
        "what": change.what,
        "rule": change.rule or None,
        "audiences": change.audiences,
        "stages": change.stages,
        "policies": located.policies,
        "personas": located.personas,
        "file": source and source.file,
        "line": source and source.line,
    }


def _prompt_json(prompt: PromptChange) -> Mapping[str, Any]:
    return {
        "persona": prompt.persona,
        "scenarios": [scenario or None for scenario in prompt.scenarios],
        "tokens": {"before": prompt.tokens_before, "after": prompt.tokens_after},
        "diff": prompt.diff,
    }


def _json(value: Mapping[str, Any]) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n"


FORMATS: Mapping[str, Callable[[Review], str]] = {
    "text": lambda review: "\n".join(text(review)) + "\n",
    "markdown": lambda review: "\n".join(markdown(review)) + "\n",
    "json": document,
}
"""Those that need nothing but the review."""


def _place(located: Located) -> str:
    source = located.source
    return f"{source.file}:{source.line}" if source else "banneton.yaml"


def _about(located: Located) -> str:
    whom = _whom(located)
    return _what(located) + (f" ({whom})" if whom else "")


def _what(located: Located) -> str:
    change = located.change
    said = f"rule {change.rule}: {change.what}" if change.rule else change.what
    if change.rule and change.audiences:
        said += f", for {', '.join(change.audiences)}"
    if change.rule and change.stages and change.concern == "then":
        said += f", at {', '.join(change.stages)}"
    return said


def _whom(located: Located) -> str:
    parts = (("policy", "policies", located.policies), ("persona", "personas", located.personas))
    return "; ".join(
        f"{one if len(names) == 1 else many} {', '.join(names)}"
        for one, many, names in parts
        if names
    )


def _title(prompt: PromptChange) -> str:
    named = [scenario for scenario in prompt.scenarios if scenario]
    where = f" in {', '.join(named)}" if named and "" not in prompt.scenarios else ""
    return (
        f"the prompt of {prompt.persona}{where}, {prompt.tokens_before} tokens before and "
        f"{prompt.tokens_after} after (estimated)"
    )
