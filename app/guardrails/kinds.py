"""Every kind of detector, by name."""

from collections.abc import Mapping
from typing import Any

from app.guardrails.detector import DetectorKind
from app.guardrails.detectors import (
    encoding,
    harm,
    injection,
    length,
    links,
    patterns,
    pii,
    secrets,
    words,
)

_MODULES = (encoding, harm, injection, length, links, patterns, pii, secrets, words)

KINDS: Mapping[str, DetectorKind[Any]] = {module.KIND.name: module.KIND for module in _MODULES}
"""Modules import quickly: what a kind needs beyond the standard library it imports in ``build``."""
