"""Providers by name: what the file says is whole, and reaches the backend."""

from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from app.settings.backends import OpenAIBackend, ResponsesBackend
from app.settings.presets import presets

_WORDS = {
    "json_schema",
    "seed",
    "parallel_tool_calls",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
    "n",
    "logprobs",
    "modalities",
}


@pytest.mark.parametrize("name", sorted(presets()))
def test_a_preset_is_whole(name: str) -> None:
    """A provider that is offered by name cannot be reached, or its difference has no effect."""
    preset = presets()[name]
    url = urlsplit(preset.base_url)
    is_here = url.hostname == "127.0.0.1"
    assert url.scheme == ("http" if is_here else "https")
    assert bool(preset.key) != is_here
    assert preset.docs.startswith("https://")
    assert preset.lacks <= _WORDS
    assert (preset.responses or "https://").startswith("https://")
    assert not url.path.endswith("/")


def test_a_preset_gives_what_the_file_leaves_out() -> None:
    """A proxy in front of a provider loses how the provider differs, or the preset its address."""
    assert OpenAIBackend(type="openai").server == presets()["openai"]
    mistral = OpenAIBackend(type="openai", preset="mistral").server
    assert (mistral.base_url, mistral.seed_field) == ("https://api.mistral.ai/v1", "random_seed")
    away = "https://proxy.example/mistral"
    moved = OpenAIBackend.model_construct(type="openai", preset="mistral", base_url=away).server
    assert (moved.base_url, moved.seed_field) == (away, "random_seed")
    plain = OpenAIBackend.model_construct(type="openai", preset=None, base_url=away).server
    assert (plain.base_url, plain.seed_field, plain.lacks) == (away, "seed", frozenset())


def test_a_name_that_is_misspelt() -> None:
    """The author has to guess which names there are."""
    with pytest.raises(ValidationError, match=r"did you mean 'deepseek'\? \(deepseek, "):
        OpenAIBackend(type="openai", preset="deepsek")


def test_presets_of_responses() -> None:
    """A provider that speaks chat completions alone would be asked for responses."""
    assert ResponsesBackend(type="responses").address == "https://api.openai.com/v1"
    there = ResponsesBackend(type="responses", preset="openrouter")
    assert there.address == "https://openrouter.ai/api/v1"
    away = "https://proxy.example/v1"
    moved = ResponsesBackend.model_construct(type="responses", preset="openai", base_url=away)
    assert moved.address == away
    with pytest.raises(ValidationError, match="use type 'openai', or one of fireworks, "):
        ResponsesBackend(type="responses", preset="mistral")
    with pytest.raises(ValidationError, match=r"did you mean 'ollama'\?"):
        ResponsesBackend(type="responses", preset="olama")
