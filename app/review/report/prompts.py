"""The section about composed prompts: how they read, what they cost, what caches lose."""

from collections.abc import Iterator

from app.domain.prompt import LineSource
from app.review.concerns.prompts import PromptChange
from app.review.plan import Plan, PromptCost
from app.review.report.page import Code, Said, Section, Sides
from app.review.wording import printable


def prompts(plan: Plan) -> Iterator[Section]:
    """Every composed prompt that reads differently, before and after."""
    found = plan.review.prompts
    if found:
        blocks = tuple(_sides(plan, each) for each in found)
        count = f"{len(found)} composed prompt{'' if len(found) == 1 else 's'}"
        yield Section(f"{count} read{'s' if len(found) == 1 else ''} differently", blocks)


def title_of(prompt: PromptChange) -> str:
    """Which prompt it is, and how long it gets."""
    named = [scenario for scenario in prompt.scenarios if scenario]
    where = f" in {', '.join(named)}" if named and "" not in prompt.scenarios else ""
    change = prompt.tokens_after - prompt.tokens_before
    return printable(
        f"the prompt of {prompt.persona}{where}, {prompt.tokens_before} tokens before and "
        f"{prompt.tokens_after} after ({change:+}, estimated)"
    )


def _sides(plan: Plan, prompt: PromptChange) -> Sides:
    notes = [*_cost(plan.cost(prompt), prompt), *_cache(prompt)]
    return Sides(title_of(prompt), prompt.before, prompt.after, prompt.diff, tuple(notes))


def _cost(cost: PromptCost | None, prompt: PromptChange) -> Iterator[Said]:
    if cost is None or not (cost.before or cost.after):  # a model of one's own
        return
    model = printable(f"{prompt.target.model} on {prompt.target.backend}")
    yield (
        (
            f"A thousand requests to {model}: {_dollars(cost.before)} before, "
            f"{_dollars(cost.after)} "
            f"after for this prompt; {_dollars(cost.cached_before)} and "
            f"{_dollars(cost.cached_after)} where the provider has its start in its cache."
        ),
    )


def _dollars(amount: float) -> str:
    return f"${amount:.4f}" if amount < 1 else f"${amount:,.2f}"


def _cache(prompt: PromptChange) -> Iterator[Said]:
    cache = prompt.cache
    if cache.lost == 0 and cache.shrinks_by == 0:
        yield ("Caching: the start that providers keep stays as it is.",)
        return
    yield (
        (
            f"Caching: the first difference is in line {cache.first_line}. Of the "
            f"{cache.stable_before} tokens at the start that every request shared, {cache.kept} "
            f"stay in providers' caches and {cache.lost} are read anew, once."
        ),
    )
    if cache.shrinks_by > 0:
        yield (
            (
                f"Every request loses {cache.shrinks_by} cached tokens for good: only "
                f"{cache.stable_after} at the start are the same for all, as what follows changes "
                "by "
                "request"
            ),
            *_where(cache.dynamic),
        )
    elif cache.shrinks_by < 0:
        yield (f"From then on every request shares {cache.stable_after} tokens at the start.",)


def _where(source: LineSource | None) -> Said:
    if source is None:
        return (".",)
    key = f", {source.key}" if source.key else ""
    return (" (", Code(printable(f"{source.file}:{source.line}{key}")), ").")
