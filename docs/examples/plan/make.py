"""Write the examples of plans: ``make plan-examples``. With ``--record``, their traffic first.

Each example is a pull request on the shipped content: a few edits, and what ``banneton plan`` says
of them as a comment. Recorded traffic is what a real gateway made of ``traffic.txt``, with scripted
answers; its ids and times are those of the day on which it was recorded.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copy, copytree
from tempfile import TemporaryDirectory

from app.cli.client import Client, Turn
from app.cli.running import running_gateway
from app.domain.recording import AnswersFrom
from app.evals.run_suites import Options
from app.evaluate import Wish, evaluate
from app.guardrails.kinds import KINDS
from app.guardrails.plan import Builds
from app.main import Project, load_project, open_ledger
from app.plan_evals import evaluated
from app.planning import Records, plan_of, replayed_of, revisions
from app.review.plan import Plan
from app.review.report.contents import page_of
from app.review.report.html import page_html
from app.review.report.markdown import markdown

HERE = Path(__file__).resolve().parent
SHIPPED = HERE.parent.parent.parent
CONTENT = ("personas", "policies", "prompts", "knowledge", "evals")
RECORDS = HERE / "records.jsonl"
BASE = "main"
AGE = timedelta(days=2)
ROUTE = "written"
"""Answers that people wrote for the shipped cases."""
_ANSWER = re.compile(
    r"^(( *)text: (?![\"'])(?:\|-?\n\2  )?(?:\S+ ){3}\S+)(?: .*)?\n(?:\2  .*\n)*", re.MULTILINE
)
"""In a script: an answer that is not in quotes, and its first four words."""

Edits = Mapping[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Example:
    """A pull request."""

    name: str
    title: str
    edits: Edits
    answers_briefly: bool = False
    """Metrics are measured, too, and the model keeps to its new prompt: of each answer that was
    written for the cases it gives the first four words."""


EXAMPLES = (
    Example(
        "threshold-raised",
        "A threshold is raised: injections are blocked from 0.97 on instead of 0.9",
        {"policies/baseline.yaml": (("{at: 0.9, do: block}", "{at: 0.97, do: block}"),)},
    ),
    Example(
        "threshold-lowered",
        "A threshold is lowered: injections are blocked from 0.7 on instead of 0.9",
        {"policies/baseline.yaml": (("{at: 0.9, do: block}", "{at: 0.7, do: block}"),)},
    ),
    Example(
        "prompt-edited",
        "A prompt is edited: one sentence more, before all else",
        {
            "prompts/assistant.md.j2": (
                (
                    "You are {{ persona.name }}.",
                    "Keep every answer under five words.\nYou are {{ persona.name }}.",
                ),
            )
        },
        answers_briefly=True,
    ),
    Example(
        "reformatted",
        "A policy is only reformatted",
        {
            "policies/bank.yaml": (
                (
                    "then: {public: block, professional: flag}\n  - id: threats",
                    "then:\n      public: block\n      professional: flag\n  - id: threats",
                ),
            )
        },
    ),
)


PAGES = ("threshold-raised", "prompt-edited")
"""Those that are there as HTML, too."""


def record() -> None:
    """Send the traffic through a gateway, and export what it recorded."""
    with TemporaryDirectory() as folder:
        root = project(Path(folder) / "project")
        with running_gateway(root, backend="scripted") as gateway:
            client = Client(gateway.url, gateway.key)
            for line in (HERE / "traffic.txt").read_text("utf-8").splitlines():
                persona, _, text = line.partition("\t")
                turn = Turn()
                for _ in client.stream(persona, [{"role": "user", "content": text}], {}, turn):
                    pass
                if turn.error:
                    raise RuntimeError(turn.error)
            client.close()
        RECORDS.write_bytes(b"".join(asyncio.run(exported(root))))


async def exported(root: Path) -> list[bytes]:
    """The ledger's lines."""
    ledger = await open_ledger(load_project(root, only_backend="scripted"))
    try:
        return [line + b"\n" async for line in ledger.export()]
    finally:
        await ledger.stop()


def project(root: Path) -> Path:
    """A copy of the shipped content."""
    for name in CONTENT:
        copytree(SHIPPED / name, root / name)
    copy(SHIPPED / "banneton.yaml", root)
    return root


def git(root: Path, *arguments: str, at: datetime) -> None:
    """Run git as somebody without settings of their own, at a fixed time."""
    day = at.isoformat()
    about = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        **{
            f"GIT_{who}_{key}": said
            for who in ("AUTHOR", "COMMITTER")
            for key, said in (("NAME", "Ann"), ("EMAIL", "ann@example.org"), ("DATE", day))
        },
    }
    environment = {**os.environ, **about}  # noqa: TID251  # passed on, not read
    subprocess.run(["git", "-C", str(root), *arguments], check=True, env=environment, timeout=60)  # noqa: S607  # whichever git there is


def newest() -> datetime:
    """When the last of the recorded exchanges was."""
    times = []
    for line in RECORDS.read_bytes().splitlines():
        body = json.loads(line).get("entry")
        if isinstance(body, dict) and "at" in body:
            times.append(datetime.fromisoformat(body["at"]))
    return max(times).astimezone(UTC)


@contextmanager
def repository(base: datetime) -> Iterator[Path]:
    """The shipped content as a repository of its own."""
    with TemporaryDirectory() as folder:
        root = project(Path(folder) / "project")
        git(root, "init", "--quiet", "--initial-branch", BASE, at=base)
        git(root, "add", ".", at=base)
        git(root, "commit", "--quiet", "--message", "As it is served", at=base)
        yield root


def changed(root: Path, edits: Edits) -> None:
    """Change files; a text that is not there is a mistake here."""
    for file, pairs in edits.items():
        text = (root / file).read_text("utf-8")
        for old, new in pairs:
            if old not in text:
                raise ValueError(f"{file} has no {old!r}; change the example with it")
            text = text.replace(old, new, 1)
        (root / file).write_text(text, "utf-8")


def plans() -> Iterator[tuple[Example, Plan]]:
    """Each example with its plan."""
    now = newest() + AGE
    shared = Builds(KINDS)
    with repository(now - 2 * AGE) as root:
        for example in EXAMPLES:
            changed(root, example.edits)
            made = replace(load_project(root, reads_secrets=False), builds=shared)
            with revisions(made, BASE, now) as both:
                replayed = replayed_of(made, both, Records(str(RECORDS)))
                measured = None
                if example.answers_briefly:
                    answer_briefly(root, made)
                    measured = evaluated(both, (), ROUTE)
                yield example, plan_of(both, now, replayed=replayed, evaluated=measured)
            git(root, "checkout", "--quiet", ".", at=now)


def answer_briefly(root: Path, made: Project) -> None:
    """Record what a model that answers in four words would say to the cases."""
    script = root / "evals" / "answers.script.yaml"
    script.write_text(_ANSWER.sub(r"\1\n", script.read_text("utf-8")), "utf-8")
    options = Options(answers=AnswersFrom.RECORD, route=ROUTE)
    asyncio.run(evaluate(made, made.load(), Wish(options=options)))


def main() -> None:
    """Write a comment and a page for each example."""
    if "--record" in sys.argv[1:]:
        record()
    for example, plan in plans():
        page = page_of(plan)
        (HERE / f"{example.name}.md").write_text(markdown(page), "utf-8")
        if example.name in PAGES:
            (HERE / f"{example.name}.html").write_text(page_html(page), "utf-8")
    readme = SHIPPED / "README.md"
    readme.write_text(with_example(readme.read_text("utf-8")), "utf-8")


def with_example(readme: str) -> str:
    """The README with the first example as it is now."""
    comment = (HERE / f"{EXAMPLES[0].name}.md").read_text("utf-8").split("\n")
    left_out = ("<!--", "Compared with", "Who owns", "#### What this does not say")
    end = comment.index(left_out[-1])
    shown = [line for line in comment[:end] if not line.startswith(left_out)]
    quoted = "\n".join(f"> {line}".rstrip() for line in shown).strip("> \n")
    quoted = re.sub(r"(\n>)(?:\n>)+(?=\n)", r"\1", f"> {quoted}")
    return re.sub(
        r"(?s)(<!-- plan example[^\n]*-->\n).*(<!-- end of plan example -->)",
        lambda found: f"{found[1]}{quoted}\n{found[2]}",
        readme,
    )


if __name__ == "__main__":
    main()
