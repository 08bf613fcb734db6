"""Every kind of detector, by name."""

from collections.abc import Mapping
from typing import Any

from app.guardrails.detector import DetectorKind
from app.guardrails.detectors import (
    encoding,
    harm,
    injection,
    judge,
    length,
    links,
    llama_guard,
    moderation,
    patterns,
    pii,
    prompt_guard,
    prompt_leak,
    readability,
    repetition,
    schema,
    secrets,
    tools,
    webhook,
    words,
)

_MODULES = (
    encoding,
    harm,
    injection,
    judge,
    length,
    links,
    llama_guard,
    moderation,
    patterns,
    pii,
    prompt_guard,
    prompt_leak,
    readability,
    repetition,
    schema,
    secrets,
    tools,
    webhook,
    words,
)

KINDS: Mapping[str, DetectorKind[Any]] = {module.KIND.name: module.KIND for module in _MODULES}
"""Modules import quickly: what a kind needs beyond the standard library it imports in ``build``."""
