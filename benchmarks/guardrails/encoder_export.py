"""From the fitted module to an ONNX file with weights of one byte."""

import tempfile
from pathlib import Path

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

from benchmarks.guardrails.encoder_net import Encoder, load_base
from benchmarks.guardrails.encoder_rows import HEADS

_DYNAMIC = {"ids": {0: "batch", 1: "length"}, "mask": {0: "batch", 1: "length"}}


def export(state: Path) -> bytes:
    """The file that the gateway loads."""
    net: Encoder = load_base(len(HEADS))
    net.load_state_dict(torch.load(state))
    net.eval()
    ids = torch.ones(2, 8, dtype=torch.long)
    with tempfile.TemporaryDirectory() as folder:
        exact, small = Path(folder, "exact.onnx"), Path(folder, "small.onnx")
        torch.onnx.export(
            net,
            (ids, torch.ones(2, 8)),
            str(exact),
            input_names=["ids", "mask"],
            output_names=["logits"],
            dynamic_axes={**_DYNAMIC, "logits": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )
        quantize_dynamic(
            exact,
            small,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["MatMul", "Gather"],
        )
        return small.read_bytes()
