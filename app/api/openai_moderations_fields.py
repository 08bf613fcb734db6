"""Every field of OpenAI's moderations, and how policy treats it."""

import re

from app.api.compound import Either, Items, Kinds, Object
from app.api.fields import MODEL, kind
from app.api.openai_moderation_categories import CATEGORIES
from app.api.shapes import NAME, Flag, Id, Number, Opaque, Refused, Shape, Text, Word
from app.api.summaries import APPLIED, CATALOG, FINDINGS, OUTCOME

MOST_INPUTS = 100
_TEXT = kind("text", text=Text())
_IMAGE = Refused("no detector looks at images yet, so nothing can be said of them")
_SCORES = Opaque("the highest score of each detector", max_chars=None)

REQUEST = Object(
    {
        "input": Either(
            Text(),
            Items(
                Either(Text(), Kinds("type", {"text": _TEXT, "image_url": _IMAGE})),
                least=1,
                most=MOST_INPUTS,
            ),
        ),
        "model": MODEL,
        "banneton": Object({"audience": NAME}),
    },
    frozenset({"input", "model"}),
    extensions=frozenset({"banneton"}),
)


def _each(shape: Shape) -> Object:
    return Object(dict.fromkeys(CATEGORIES, shape), frozenset(CATEGORIES))


ANSWER = Object(
    {
        "id": Id(re.compile(r"modr-[\w-]{1,80}"), "made here"),
        "model": MODEL,
        "results": Items(
            Object(
                {
                    "flagged": Flag(),
                    "categories": _each(Flag()),
                    "category_scores": _each(Number(0, 1)),
                    "category_applied_input_types": _each(Items(Word(("text",)), most=1)),
                },
                frozenset(
                    {"flagged", "categories", "category_scores", "category_applied_input_types"}
                ),
            )
        ),
        "banneton": Object(
            {
                "policy": NAME,
                "audience": NAME,
                "catalog": CATALOG,
                "not_looked_for": Items(Word(CATEGORIES)),
                "results": Items(
                    Object(
                        {
                            "outcome": OUTCOME,
                            "scores": _SCORES,
                            "applied": APPLIED,
                            "findings": FINDINGS,
                        },
                        frozenset({"outcome", "scores", "applied", "findings"}),
                    )
                ),
            },
            frozenset({"policy", "audience", "catalog", "not_looked_for", "results"}),
        ),
    },
    frozenset({"id", "model", "results", "banneton"}),
    extensions=frozenset({"banneton"}),
)
