"""Sets how the sums of the linear models and the encoder become scores, and writes the card.

    pip install -e '.[models]'
    python -m benchmarks.guardrails.blend_encoder DATA

Needed after each training, of either model: a dozen numbers, set on ``dev/`` alone. ``DATA`` is a
folder as ``docs/reference/data.md`` describes it. Writes ``app/guardrails/weights/encoder.json``
and ``docs/reference/models/encoder.md``.
"""

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from app.guardrails.encoder import FIRST, HEADS, WEIGHTS, Blend, Encoder, HeadName
from app.guardrails.linear import shipped
from benchmarks.guardrails.encoder_blend import NEUTRAL, Kinds, fitted, measure
from benchmarks.guardrails.encoder_card import card
from benchmarks.guardrails.encoder_rows import fitted_on
from benchmarks.guardrails.evaluate import Judged, Texts, at_input
from benchmarks.guardrails.rows import read

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "app" / "guardrails" / WEIGHTS
CARD = ROOT / "docs" / "reference" / "models" / "encoder.md"


def blend(head: HeadName, encoder: Encoder, texts: Texts) -> Blend:
    """How one head's logit and its linear model's sum become a score."""
    is_document = head == "indirect"
    bad, near = texts.of(head, bad=True), texts.of("overrefusal", bad=False)
    ordinary = [each for each in texts.of("benign", bad=False) if at_input(each) != is_document]
    if is_document:
        near, ordinary = [], ordinary + texts.of(head, bad=False)
    rows = [each.row for each in (*bad, *ordinary, *near)]
    sizes = [len(bad), len(ordinary), len(near)]
    kinds = Kinds(*np.eye(3, dtype=bool).repeat(sizes, axis=1))
    first, digest = shipped(FIRST[head])
    measured = measure(first, encoder, head, rows)
    return replace(fitted(measured, kinds), first=digest)


def blends(data: Path) -> dict[HeadName, Blend]:
    """Of all heads, for the weights that are shipped."""
    encoder = Encoder(
        (FOLDER / "encoder.onnx").read_bytes(),
        (FOLDER / "encoder.vocab").read_text("utf-8"),
        dict.fromkeys(HEADS, NEUTRAL),
    )
    texts = Texts([Judged(row) for row in read(data, "dev")])
    return {head: blend(head, encoder, texts) for head in HEADS}


def write(data: Path) -> None:
    """The numbers, then the card, which measures with them."""
    told = {head: asdict(blend) for head, blend in blends(data).items()}
    (FOLDER / "encoder.json").write_text(json.dumps(told, indent=2) + "\n", "utf-8")
    CARD.parent.mkdir(parents=True, exist_ok=True)
    CARD.write_text(card(data, fitted_on(data)), "utf-8")


def main() -> None:
    """Measure, choose, write."""
    parser = argparse.ArgumentParser(description="Set the scores of the strong tier.")
    parser.add_argument("data", type=Path)
    write(parser.parse_args().data)


if __name__ == "__main__":
    main()
