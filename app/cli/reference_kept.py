"""Pages of the reference about what is kept and measured: records, feedback, metrics."""

import re
from collections.abc import Iterator
from dataclasses import fields

from app.cli.tables import cell, code, table


def records() -> Iterator[str]:
    """The page of records: every field of an entry."""
    from app.domain.decision import Applied, Decision, DetectorRef, Outcome, StageTrace
    from app.domain.events import Usage
    from app.domain.finding import Finding
    from app.domain.record import Assigned, Closing, Held, Opening, Status, Timings
    from app.domain.rollout import Arm, Evidence, Moved
    from app.ledger.records import Record

    yield "What `GET /v1/records/{request_id}` and `banneton records show` give, and what the two"
    yield "entries of a record hold. No text, value or name stands in an entry: `subject` and"
    yield "`session` are HMACs, `content` holds a path and an HMAC for each text. In an export, a"
    yield 'line is `{"hash": …, "entry": …}`; an entry also has `v`, `kind`, `writer`, `seq`,'
    yield "`previous` and `findings`: the hash of its trace and the day until which that stays."
    yield ""
    kinds = (Record, Opening, Closing, StageTrace, DetectorRef, Finding, Decision, Applied)
    for kind in (*kinds, Timings, Held, Usage, Moved, Evidence, Arm):
        docs = docs_of(kind)
        yield from (f"## {kind.__name__}", "", _first(kind), "")
        rows = (
            (code(each.name), _type(each.type), docs.get(each.name, "")) for each in fields(kind)
        )
        yield from table("field", "holds", "meaning", rows=rows)
    yield from _feedback_entries()
    for values in (Status, Outcome, Assigned):
        docs = docs_of(values)
        yield from (f"## {values.__name__}", "", _first(values), "")
        lines = ((code(each.value), docs.get(each.name, "")) for each in values)
        yield from table("value", "meaning", rows=lines)


def _feedback_entries() -> Iterator[str]:
    from app.domain.feedback import Consent, Correction, Feedback, Said, Satisfaction, Target

    yield "## Feedback"
    yield ""
    yield "What was said of the exchange, its session or its subject, each time an entry of its"
    yield "own: `feedback` of a record. Texts stand beside the chain: `given` names those there"
    yield "were, and the entry's `content` has their HMACs. `permits` is what the subject allows:"
    yield "one yes is needed among request, session and subject, and any no is a no."
    yield ""
    for kind in (Feedback, Said, Satisfaction, Correction, Consent, Target):
        docs = docs_of(kind)
        if kind is not Feedback:
            yield from (f"### {kind.__name__}", "", _first(kind), "")
        rows = (
            (code(each.name), _type(each.type), docs.get(each.name, "")) for each in fields(kind)
        )
        yield from table("field", "holds", "meaning", rows=rows)


# Metrics


def metrics() -> Iterator[str]:
    """The page of metrics: each one's definition."""
    from app.metrics.compare import Verdict
    from app.metrics.definitions import METRICS

    yield "What is measured of a product, on cases that were run and on live records by the same"
    yield "code. What was not scored is counted apart and is in no sum. A rate has a Wilson"
    yield "interval that counts cases, not their repeats; a mean has a bootstrap interval over"
    yield "cases. How a movement is judged: [reading a movement](../explanation/movements.md)."
    yield ""
    yield "`adherence:<behaviour>` is adherence to one behaviour."
    yield ""
    for each in METRICS.values():
        yield from (f"## {each.title}", "")
        said = {
            "id": code(each.id),
            "formula": each.formula,
            "unit": each.unit,
            "better": each.better.value,
            "does not measure": each.not_measured,
            "source": each.source,
        }
        yield from table("it", "is", rows=iter(said.items()))
    docs = docs_of(Verdict)
    yield from ("## Verdicts of a movement", "")
    rows = ((code(each.value), docs.get(each.name, "")) for each in Verdict)
    yield from table("verdict", "meaning", rows=rows)


def _first(kind: type) -> str:
    return cell((kind.__doc__ or "").strip().splitlines()[0])


def _type(annotation: object) -> str:
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return code(re.sub(r"\b(?:app|typing|datetime)\.(?:\w+\.)*", "", text))


def docs_of(kind: type) -> dict[str, str]:
    """The docstrings that stand under a class's fields."""
    import ast
    import inspect
    import textwrap
    from itertools import pairwise

    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    docs: dict[str, str] = {}
    for field, doc in pairwise(tree.body if isinstance(tree, ast.ClassDef) else ()):
        match field, doc:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                docs[name] = inspect.cleandoc(text)
            case _:
                pass
    return docs
