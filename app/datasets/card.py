"""The card of a data set: what it is made of, for people and for machines."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from app.datasets.duplicates import ALIKE, RUN
from app.datasets.make import Made, Placed
from app.datasets.rows import REWARD
from app.datasets.wanted import WHY, WORSE_BELOW, Form, Reason, Wanted
from app.domain.conversation import Json
from app.domain.feedback import Purpose

_LIMITS = """\
Detectors miss some personal data. Read a sample before you train on it or pass it on.
Not everybody answers: feedback is no fair sample of conversations.
The persona's prompt and the definitions of tools are not kept, and are in no row.
Answers came from the models under `models`. Their providers' terms may forbid training on them.
A copy knows of no consent that is withdrawn: run `banneton export --without-withdrawn` before use.
"""


def card_of(made: Made, wanted: Wanted, licence: str) -> Json:
    """The card, as JSON. The same for the same ledger, wishes and key."""
    return {
        "form": wanted.form,
        "licence": licence,
        "exchanges_looked_at": made.looked_at,
        "left_out": {reason.value: count for reason, count in made.left_out.items()},
        "days": list(made.days) if made.days else None,
        "persona": wanted.persona,
        "min_satisfaction": wanted.min_satisfaction,
        "worse_below": WORSE_BELOW,
        "validation": wanted.validation,
        "consent": {"purpose": Purpose.TRAIN, "basis": "consent given with feedback"},
        **counts_of(made.lines),
        "reward": REWARD if wanted.form in {Form.RL, Form.TRL} else None,
        "detectors": dict(made.detectors),
        "removed_later": 0,
    }


def counts_of(lines: Sequence[Placed]) -> Json:
    """How many rows there are, and what they are made of."""
    told = [source for each in lines for source in each.provenance["exchanges"]]
    return {
        "rows": dict(sorted(Counter(each.file for each in lines).items())),
        "made_of": {
            "personas": _counted(f"{_name(source)} under {source['policy']}" for source in told),
            "catalogs": _counted(source["catalog"] for source in told),
            "models": _counted(
                f"{source['answered_by']['model']} on {source['answered_by']['backend']}"
                for source in told
            ),
            "consents": _counted(
                name for source in told for name in source["consent"] or ("unnamed",)
            ),
        },
    }


def _name(source: Mapping[str, Json]) -> str:
    variant = source["variant"]
    return f"{source['persona']}:{variant}" if variant else str(source["persona"])


def _counted(names: Iterator[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def card_text(card: Json) -> str:
    """The card as Markdown, with a head that Hugging Face reads."""
    return "\n".join([*_head(card), *_body(card)]) + "\n"


def _head(card: Json) -> Iterator[str]:
    yield from ("---", f"license: {card['licence']}" if card["licence"] else "license: unknown")
    yield "configs:"
    for name in dict.fromkeys(file.partition(".")[0] for file in card["rows"]):
        yield f"- config_name: {name}"
        yield "  data_files:"
        for split in ("train", "validation"):
            if f"{name}.{split}.jsonl" in card["rows"]:
                yield f"  - {{split: {split}, path: {name}.{split}.jsonl}}"
    yield from ("---", "")


def _body(card: Json) -> Iterator[str]:
    yield from (f"# Data set: {card['form']}", "")
    yield "Made by `banneton export` of records of a gateway and of what users said of its answers."
    yield from ("", "| file | rows |", "| --- | --- |")
    yield from (f"| {file} | {count} |" for file, count in card["rows"].items())
    yield from ("", "## What is in it", "")
    days = card["days"]
    yield f"- Exchanges from {days[0]} to {days[1]}." if days else "- No exchange."
    yield "- Each with consent to training, and none without: one yes, and no no, of the exchange, "
    yield "  its session and its subject. What consents refer to is counted below."
    yield f"- Answers that score {card['min_satisfaction']:g} or more, or that people wrote."
    yield f"- In pairs, the worse answer scores below {card['worse_below']:g}, or was corrected."
    if card["reward"]:
        yield f"- `reward` is {card['reward']}."
    if card["removed_later"]:
        yield f"- {card['removed_later']} rows were removed after it was made."
    yield from ("", "| made of | | rows |", "| --- | --- | --- |")
    for kind, counts in card["made_of"].items():
        yield from (f"| {kind} | {name} | {count} |" for name, count in counts.items())
    yield from ("", "## What is left out", "")
    yield f"{card['exchanges_looked_at']} exchanges were looked at."
    yield from ("", "| reason | count | |", "| --- | --- | --- |")
    for reason, count in card["left_out"].items():
        yield f"| {reason} | {count} | {WHY[Reason(reason)]} |"
    yield from ("", "## How it was treated", "")
    yield "- Pseudonyms are new, under a key of this export alone: rows cannot be joined with the"
    yield "  ledger, with a session or with another export without that key."
    yield "- Every text was looked at again, rewritten, and looked at once more; what was not clean"
    looked = ", ".join(f"{name} {revision}" for name, revision in card["detectors"].items())
    yield f"  then is left out. Looked at with: {looked}."
    yield "- Of rows that say the same one is kept; so of those whose runs of"
    yield f"  {RUN} characters overlap by {ALIKE:.0%} or more, in the whole and in the last turn."
    yield f"- {card['validation']:.0%} of people or sessions are held back for validation; none is"
    yield "  in both parts."
    yield from (
        "",
        "## Use and limits",
        "",
        "For training and evaluating models that speak for the",
    )
    yield from ("personas above. Not for finding out anything about a person.", "")
    yield from (f"- {limit}" for limit in _LIMITS.splitlines())
