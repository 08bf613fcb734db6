"""A run as one HTML page: nothing in it comes from another host, and nothing in it runs."""

from collections.abc import Iterator, Sequence
from html import escape

from app.domain.conduct import Conduct
from app.evals.check_result import CheckResult
from app.evals.report import (
    WORDS,
    by_suite,
    estimate,
    measurements,
    not_measured,
    sources,
    title,
)
from app.evals.results import CaseRun, CaseState, EvalRun, counts
from app.evals.transcript import Turn
from app.metrics.definitions import Kind, Measurement

_STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1c1917;--dim:#6b645c;--line:#e4ded6;--soft:#f8f5f1;
--held:#2f7d4f;--failed:#b3261e;--not_scored:#9a6a00;--error:#7a3ea8;--accent:#8a5a2b}
@media(prefers-color-scheme:dark){:root{--bg:#171412;--fg:#ede7df;--dim:#a79d92;--line:#3a342e;
--soft:#211d1a;--held:#6fcf97;--failed:#ff8a80;--not_scored:#f2c14e;--error:#c9a0f0;--accent:#e0a868}}
*{box-sizing:border-box}
body{font:16px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif;background:var(--bg);
color:var(--fg);margin:0 auto;max-width:72rem;padding:2.5rem 1.25rem 5rem}
h1{font-size:1.75rem;margin:0 0 .25rem}h2{font-size:1.2rem;margin:2.75rem 0 .75rem}
p{margin:.35rem 0}.dim{color:var(--dim)}small{font-size:.85rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.75rem;
margin:1.5rem 0}
.tile{background:var(--soft);border:1px solid var(--line);border-radius:.6rem;padding:.8rem 1rem}
.tile b{display:block;font-size:1.9rem;line-height:1.2;font-variant-numeric:tabular-nums}
.bar{display:flex;height:.7rem;border-radius:.35rem;overflow:hidden;background:var(--line);min-width:8rem}
.bar i{display:block}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.45rem .75rem .45rem 0;border-bottom:1px solid var(--line);
vertical-align:top}
th{font-weight:600;color:var(--dim);font-size:.85rem}
.scroll{overflow-x:auto}
.range{position:relative;height:.55rem;background:var(--line);border-radius:.3rem;min-width:9rem;
margin-top:.55rem}
.range i{position:absolute;top:0;bottom:0;border-radius:.3rem;background:var(--accent);opacity:.45}
.range b{position:absolute;top:-.15rem;bottom:-.15rem;width:.2rem;background:var(--accent)}
.held{color:var(--held)}.failed{color:var(--failed)}.not_scored{color:var(--not_scored)}
.error{color:var(--error)}
.b-held{background:var(--held)}.b-failed{background:var(--failed)}
.b-not_scored{background:var(--not_scored)}.b-error{background:var(--error)}
details{border:1px solid var(--line);border-radius:.6rem;margin:.5rem 0;background:var(--soft)}
summary{cursor:pointer;padding:.6rem .9rem;display:flex;gap:.75rem;flex-wrap:wrap;
align-items:baseline}
summary::marker{content:""}summary b{min-width:6rem}
.in{padding:0 .9rem .9rem}
.say{border-left:3px solid var(--line);padding:.1rem 0 .1rem .8rem;margin:.6rem 0;
white-space:pre-wrap;overflow-wrap:anywhere}
.say.user{border-color:var(--accent)}.say strong{display:block;font-size:.8rem;color:var(--dim)}
ul{margin:.4rem 0;padding-left:1.2rem}li{overflow-wrap:anywhere}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,monospace}
"""


def html_report(run: EvalRun) -> str:
    """The page."""
    return "".join(_page(run))


def _page(run: EvalRun) -> Iterator[str]:
    yield (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">\n"
        f"<title>Evaluation</title>\n<style>{_STYLE}</style>\n<h1>Evaluation</h1>\n"
    )
    yield f'<p class="dim">Catalog <code>{escape(run.catalog[:19])}</code>'
    if run.route is not None:
        yield f", every persona on the route <code>{escape(run.route)}</code>"
    if run.at is not None:
        yield f", {run.at:%Y-%m-%d %H:%M} UTC"
    yield "</p>\n"
    yield from (f'<p class="dim">{escape(line)}</p>\n' for line in sources(run))
    yield from _tiles(run.runs)
    yield from _suites(run)
    yield from _metrics(run)
    if run.notes:
        notes = "".join(f"<li>{escape(note)}" for note in run.notes)
        yield f"<h2>Judges</h2>\n<ul>{notes}</ul>\n"
    yield "<h2>Cases</h2>\n"
    for each in sorted(run.runs, key=_worst_first):
        yield from _case(each)
    yield "</html>\n"


_ORDER = (CaseState.FAILED, CaseState.ERROR, CaseState.NOT_SCORED, CaseState.HELD)


def _worst_first(run: CaseRun) -> int:
    return _ORDER.index(run.state)


def _tiles(runs: Sequence[CaseRun]) -> Iterator[str]:
    yield '<div class="tiles">'
    for state, count in counts(runs).items():
        color = state.value if count else "dim"
        yield f'<div class="tile"><b class="{color}">{count}</b>{WORDS[state]}</div>'
    yield "</div>\n"


def _suites(run: EvalRun) -> Iterator[str]:
    yield (
        '<h2>Suites</h2>\n<div class="scroll"><table><tr><th>suite<th>persona<th>held<th>failed'
        "<th>not scored<th>errors<th></tr>\n"
    )
    for suite, persona, runs in by_suite(run):
        counted = counts(runs)
        cells = "".join(f"<td>{count}" for count in counted.values())
        bar = "".join(
            f'<i class="b-{state.value}" style="width:{100 * count / len(runs):.2f}%"></i>'
            for state, count in counted.items()
            if count
        )
        yield f"<tr><td>{escape(suite)}<td>{escape(persona)}{cells}"
        yield f'<td><div class="bar">{bar}</div></tr>\n'
    yield "</table></div>\n"


def _metrics(run: EvalRun) -> Iterator[str]:
    yield (
        '<h2>Metrics</h2>\n<p class="dim">With 95 % intervals.</p>\n<div class="scroll"><table>'
        "<tr><th>metric<th>value<th><th>cases<th>not scored</tr>\n"
    )
    for measured in measurements(run):
        name, formula = escape(measured.metric.title), escape(measured.metric.formula)
        yield f'<tr><td title="{formula}">{name}<td>{escape(estimate(measured))}'
        yield f"<td>{_range(measured)}<td>{measured.cases}<td>{measured.missed}</tr>\n"
    yield "</table></div>\n"
    if missing := not_measured(run):
        yield f'<p class="dim">Not scored: {escape(", ".join(missing))}.</p>\n'


def _range(measured: Measurement) -> str:
    """The interval of a share, drawn."""
    value = measured.estimate
    if value is None or measured.metric.kind is not Kind.SHARE:
        return ""
    low, high = value.interval
    return (
        f'<div class="range"><i style="left:{100 * low:.2f}%;width:{100 * (high - low):.2f}%"></i>'
        f'<b style="left:{100 * value.point:.2f}%"></b></div>'
    )


def _case(run: CaseRun) -> Iterator[str]:
    is_open = " open" if run.state is not CaseState.HELD else ""
    state = WORDS[run.state].removesuffix("s")
    yield f'<details{is_open}><summary><b class="{run.state.value}">{state}</b>'
    yield f'<span>{escape(title(run))}</span><small class="dim">{escape(run.persona)}'
    yield "" if run.gates or run.state is CaseState.HELD else ", gates nothing"
    yield '</small></summary><div class="in">'
    where = f"{run.file}:{run.line}" if run.line else run.file
    yield f'<p class="dim"><small>{escape(where)}, seed {run.seed}</small></p>'
    if run.why:
        yield f"<p>{escape(run.why)}</p>"
    for number, turn in enumerate(run.transcript.turns):
        yield from _turn(turn, [each for each in run.checks if each.turn == number])
    yield from _checks([each for each in run.checks if each.turn is None])
    yield "</div></details>\n"


def _turn(turn: Turn, checks: Sequence[CheckResult]) -> Iterator[str]:
    yield _said("user", turn.user, "user")
    results = {each.call_id: each for each in turn.tool_results}
    for call in turn.tool_calls:
        yield _said(f"calls {call.name}", call.arguments)
        if (result := results.get(call.call_id)) is not None:
            failed = " (failed)" if result.is_error else ""
            yield _said(f"{call.name} gives{failed}", result.text)
    yield _said(f"answer, {turn.outcome.value}", turn.answer or turn.error or "")
    yield from _checks(checks)


def _said(who: str, text: str, kind: str = "") -> str:
    return f'<div class="say {kind}"><strong>{escape(who)}</strong>{escape(text)}</div>'


_STATES = {
    Conduct.HELD: "held",
    Conduct.FAILED: "failed",
    Conduct.NOT_SCORED: "not scored",
    Conduct.NOT_DRAWN: "not drawn",
}


def _checks(checks: Sequence[CheckResult]) -> Iterator[str]:
    if not checks:
        return
    yield "<ul>"
    for each in checks:
        state = f'<span class="{each.conduct.value}">{_STATES[each.conduct]}</span>'
        score = "" if each.score is None else f" ({each.score:g})"
        why = f": {escape(each.why)}" if each.why else ""
        yield f"<li>{state} <code>{escape(each.check)}</code>{score}{why}"
    yield "</ul>"
