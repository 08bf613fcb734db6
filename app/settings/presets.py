"""Providers that speak OpenAI's chat completions, with where they are and where they differ."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import TypeAdapter

from app.domain.persona import FileModel


class Preset(FileModel):
    """One provider, as ``presets.toml`` describes it."""

    base_url: str
    key: str | None = None
    """The environment variable that its documentation names."""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    seed_field: str = "seed"
    stream_options: bool = True
    """Whether it takes that field."""
    lacks: frozenset[str] = frozenset()
    """Request fields that it refuses or reads otherwise than OpenAI."""
    docs: str
    """Where its documentation is."""
    responses: str | None = None
    """Where its documentation says that it speaks Responses too, at the same address."""


@cache
def presets() -> Mapping[str, Preset]:
    """All presets by name."""
    text = files("app.settings").joinpath("presets.toml").read_text("utf-8")
    return TypeAdapter(dict[str, Preset]).validate_python(tomllib.loads(text))
