"""Fits the encoder's upper layers and heads, in one process or several that share each step."""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as fn

from app.guardrails.wordpiece import WordPiece
from benchmarks.guardrails.encoder_net import FROZEN, Encoder, base_folder, load_base
from benchmarks.guardrails.encoder_rows import HEADS, Row, window

EPOCHS = 1.15
BATCH = 48
LONGEST = 128
"""Pieces of a text that are read at once; of a longer one another part is taken each time."""
LETTERS = int(LONGEST * 3.2)
RATE, HEAD_RATE = 1.5e-4, 1e-3
WARM_UP = 0.06
_SORTED = 50
"""Batches that are sorted by length together, so that little is spent on padding."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A part of a text in pieces; label and weight for each head."""

    ids: list[int]
    labels: list[float]
    weights: list[float]


def vocabulary() -> list[str]:
    """The base model's pieces."""
    return (base_folder() / "vocab.txt").read_text("utf-8").rstrip("\n").split("\n")


def samples(rows: Sequence[Row], cutter: WordPiece, chance: random.Random) -> list[Sample]:
    """Each row once."""
    made = []
    for row in rows:
        ids = cutter.cut(window(row, LETTERS, chance)).ids[: LONGEST - 2]
        labels = [row.labels.get(head, (0.0, 0.0)) for head in HEADS]
        made.append(
            Sample(
                [cutter.first, *ids, cutter.last],
                [label for label, _ in labels],
                [weight for _, weight in labels],
            )
        )
    return made


def batches(made: list[Sample], size: int, chance: random.Random) -> list[list[Sample]]:
    """Batches of texts of like length, in any order."""
    chance.shuffle(made)
    cut = []
    for first in range(0, len(made), size * _SORTED):
        part = sorted(made[first : first + size * _SORTED], key=lambda sample: len(sample.ids))
        several = [part[at : at + size] for at in range(0, len(part), size)]
        chance.shuffle(several)
        cut += several
    return cut


def _padded(batch: Sequence[Sample]) -> tuple[Tensor, Tensor]:
    length = max(len(sample.ids) for sample in batch)
    ids = torch.zeros(len(batch), length, dtype=torch.long)
    mask = torch.zeros(len(batch), length)
    for row, sample in enumerate(batch):
        ids[row, : len(sample.ids)] = torch.tensor(sample.ids)
        mask[row, : len(sample.ids)] = 1
    return ids, mask


def _loss(net: Encoder, batch: Sequence[Sample]) -> Tensor:
    labels = torch.tensor([sample.labels for sample in batch])
    weights = torch.tensor([sample.weights for sample in batch])
    with torch.autocast("cpu", torch.bfloat16):
        logits = net(*_padded(batch))
    lost = fn.binary_cross_entropy_with_logits(logits.float(), labels, reduction="none")
    return (lost * weights).sum() / weights.sum()


def _share(parts: Sequence[nn.Parameter], workers: int) -> None:
    """Gives all workers the mean of their gradients."""
    if workers == 1:
        return
    flat = torch.cat([part.grad.reshape(-1) for part in parts if part.grad is not None])
    distributed.all_reduce(flat)
    at = 0
    for part in parts:
        if part.grad is not None:
            size = part.numel()
            part.grad.copy_(flat[at : at + size].view_as(part) / workers)
            at += size


def _steps(
    rows: Sequence[Row], cutter: WordPiece, worker: int, workers: int
) -> Iterator[tuple[int, int, list[Sample]]]:
    """Number of the step, how many there are, and this worker's batch."""
    chance = random.Random(3)  # noqa: S311  # the same batches every time
    size = BATCH // workers
    cut = batches(samples(rows, cutter, chance), size, chance)
    each = len(cut) // workers
    total = int(each * EPOCHS)
    for step in range(total):
        if step and step % each == 0:
            cut = batches(samples(rows, cutter, chance), size, chance)
        yield step, total, cut[workers * (step % each) + worker]


def fit(worker: int, workers: int, rows: Sequence[Row], meeting: str, out: Path) -> None:
    """One worker's share. The first one writes what was learned."""
    if workers > 1:
        distributed.init_process_group(
            "gloo", init_method=f"file://{meeting}", rank=worker, world_size=workers
        )
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = load_base(len(HEADS))
    for part in (net.words, net.places, net.norm, *net.layers[:FROZEN]):
        part.requires_grad_(requires_grad=False)
    net.kind.requires_grad_(requires_grad=False)
    head = list(net.head.parameters())
    in_head = {id(part) for part in head}
    body = [p for p in net.parameters() if p.requires_grad and id(p) not in in_head]
    optimizer = torch.optim.AdamW(
        [{"params": body, "lr": RATE}, {"params": head, "lr": HEAD_RATE}], weight_decay=0.01
    )
    rates = [RATE, HEAD_RATE]
    net.train()
    torch.manual_seed(worker)
    for step, total, batch in _steps(rows, WordPiece(vocabulary()), worker, workers):
        warm = max(int(WARM_UP * total), 1)
        share = min(step / warm, max(0.02, (total - step) / (total - warm)), 1.0)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * share
        optimizer.zero_grad()
        loss = _loss(net, batch)
        loss.backward()
        _share(body + head, workers)
        nn.utils.clip_grad_norm_(body, 1.0)
        optimizer.step()
        if worker == 0 and step % 50 == 0 and math.isfinite(loss.item()):
            print(f"step {step} of {total}: loss {loss.item():.3f}", flush=True)
    if worker == 0:
        torch.save(net.state_dict(), out)
