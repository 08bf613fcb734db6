"""The curves of a calibration, drawn: a PNG a rule, and a page that shows them all."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.domain.errors import BannetonError
from app.evals.calibrate import Calibration

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem }}
body {{ margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; margin: 1rem 0 }}
th, td {{ text-align: left; padding: .25rem .75rem; border-bottom: 1px solid #8886 }}
img {{ max-width: 100%; background: white }}
</style>
<h1>{title}</h1>
<p>A text is stopped where a rule blocks or escalates. Shares with 95 % Wilson intervals.</p>
{rules}
</html>
"""


class NoChartsError(BannetonError):
    """What draws them is not installed."""


def draw(folder: Path, policy: str, found: Sequence[Calibration]) -> list[Path]:
    """Write ``<rule>.png`` for each rule and ``index.html`` into a folder; gives what was written.

    Raises:
        NoChartsError: The extra ``calibrate`` is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  # an extra
    except ImportError:
        what = "charts need an extra: pip install 'banneton[calibrate]'"
        raise NoChartsError(what) from None
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    sections: list[str] = []
    for rule in dict.fromkeys(each.rule for each in found):
        of_rule = [each for each in found if each.rule == rule]
        figure = Figure(figsize=(10, 4), layout="constrained")
        by_threshold, by_false_alarms = figure.subplots(1, 2)
        _draw_by_threshold(by_threshold, of_rule)
        _draw_by_false_alarms(by_false_alarms, of_rule)
        path = folder / f"{rule}.png"
        figure.savefig(path, dpi=120, metadata={"Software": None})
        written.append(path)
        sections.append(_section(rule, path.name, of_rule))
    page = folder / "index.html"
    title = html.escape(f"Calibration of {policy}")
    page.write_text(_PAGE.format(title=title, rules="\n".join(sections)), "utf-8")
    return [*written, page]


def _draw_by_threshold(axes: "Axes", of_rule: Sequence[Calibration]) -> None:
    curve = of_rule[0].curve
    at = [point.at for point in curve]
    axes.step(at, [100 * p.false_alarms.point for p in curve], where="pre", label="false alarms")
    if curve[0].caught.of:
        axes.step(at, [100 * point.caught.point for point in curve], where="pre", label="caught")
    for best in dict.fromkeys(each.best.at for each in of_rule if each.best is not None):
        names = [each.audience for each in of_rule if each.best and each.best.at == best]
        axes.axvline(best, linestyle=":", color="0.4")
        axes.annotate(", ".join(names), (best, 90), rotation=90, ha="right", va="top")
    axes.set(xlabel="threshold", ylabel="% of texts", xlim=(0, 1), ylim=(-2, 102))
    axes.set_title("What a threshold stops")
    axes.legend()


def _draw_by_false_alarms(axes: "Axes", of_rule: Sequence[Calibration]) -> None:
    curve = of_rule[0].curve
    wrong = [100 * point.false_alarms.point for point in curve]
    axes.plot(wrong, [100 * point.caught.point for point in curve], drawstyle="steps-post")
    for shade, budget in enumerate(sorted({each.budget for each in of_rule})):
        name = f"budget {100 * budget:g} %"
        axes.axvline(100 * budget, linestyle="--", color=f"C{shade + 2}", label=name)
    axes.set(xlabel="% of harmless texts stopped", ylabel="% of harmful texts caught")
    axes.set(xlim=(0, max(5.0, 400 * max(each.budget for each in of_rule))), ylim=(-2, 102))
    axes.set_title("What a budget buys")
    axes.legend()


def _section(rule: str, image: str, of_rule: Sequence[Calibration]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(each.audience)}<td>{100 * each.budget:g} %<td>{each.now.at:g}"
        f"<td>{_at(each)}<td>{(each.best or each.now).false_alarms}"
        f"<td>{(each.best or each.now).caught}"
        for each in of_rule
    )
    name = html.escape(rule)
    return (
        f"<h2>{name}</h2><img src='{html.escape(image)}' alt='Two curves of {name}: what is "
        "caught and what is stopped by mistake, by threshold and by budget'>"
        "<table><tr><th>audience<th>budget<th>threshold now<th>within the budget"
        f"<th>false alarms<th>caught</tr>{rows}</table>"
    )


def _at(each: Calibration) -> str:
    return "none" if each.best is None else f"{each.best.at:g}"
