"""``python -m export.onnx_int8``: every fp32 ONNX file of a folder -> its int8 twin, beside it.

For machines and browsers without LiteRT: weights of the ConvNeXt blocks in int8 with a scale per
output, their inputs quantized frame by frame. As in export.tflite, the first and last layers and
the tables of the transforms stay as they are.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from export.quiet import quiet
from q2d2_stream.cli.failures import run_command
from q2d2_stream.engine.choice import model_file
from q2d2_stream.engine.codec import MODELS
from q2d2_stream.errors import ModelError

__all__ = ["export_onnx_int8"]

_BLOCKS = ("up.weight.T", "down.weight.T")


def _float_blocks(model: onnx.ModelProto) -> list[str]:
    """Turn the blocks' fp16 weights into fp32, which is what the quantizer reads; returns the
    names of their matrix products."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    products, kept = [], []
    for node in model.graph.node:
        is_block = node.output[0].endswith(_BLOCKS)
        if node.op_type == "Cast" and is_block and node.input[0] in tensors:
            tensor = tensors[node.input[0]]
            value = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(value, node.output[0]))
            continue
        if node.op_type in ("MatMul", "Gemm") and node.input[1].endswith(_BLOCKS):
            products.append(node.name)
        kept.append(node)
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return products


def export_onnx_int8(folder: Path) -> None:
    """Write the int8 files of a folder that holds the fp32 ones.

    Raises ModelError when one is missing or has no blocks to quantize.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    for role in ("encoder", "decoder"):
        source = model_file(folder, role, ("onnx", "fp32"))
        if not source.exists():
            raise ModelError(f"the model file {source} does not exist; run export.onnx first")
        model = onnx.load(str(source))
        said = {entry.key: entry.value for entry in model.metadata_props}
        products = _float_blocks(model)
        if not products:
            raise ModelError(f"{source} has no blocks to quantize; export it again")
        target = model_file(folder, role, ("onnx", "int8"))
        with tempfile.TemporaryDirectory() as scratch:
            plain = Path(scratch) / "plain.onnx"
            onnx.save(model, str(plain))
            quantize_dynamic(
                plain,
                target,
                nodes_to_quantize=products,
                per_channel=True,
                # 7 bits: without the VNNI instructions of newer processors, sums of two products
                # of 8 bits saturate
                reduce_range=True,
                weight_type=QuantType.QInt8,
            )
        model = onnx.load(str(target))
        del model.metadata_props[:]
        helper.set_model_props(model, {**said, "q2d2.precision": "int8"})
        onnx.save(model, str(target))


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m export.onnx_int8", description=__doc__)
    parser.add_argument("--models", type=Path, default=MODELS, help="folder of the ONNX files")
    args = parser.parse_args(argv)
    return run_command("export.onnx_int8", partial(_run, args))


def _run(args: argparse.Namespace) -> int:
    with quiet():
        export_onnx_int8(args.models)
    return 0


if __name__ == "__main__":
    sys.exit(main())
