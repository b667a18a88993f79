"""``python -m export.tflite CHECKPOINT``: checkpoint -> TFLite files beside the ONNX ones, checked.

encoder.tflite, decoder.tflite: weights rounded to fp16 and stored so, computed in fp32.
encoder.int8.tflite, decoder.int8.tflite: the weights of the ConvNeXt blocks in int8 with one scale
for each matrix, their inputs quantized frame by frame (dynamic range). A scale for each output
keeps 2 % more of the indices the same and no score better, and tflite-runtime, which older boards
have, computes it wrongly (research/log/2026-11-30-integers-for-tflite-runtime.md).

The first and last layer of either network stay as above: together they cost a tenth of the time,
and in int8 7 % of the indices and 5 dB (docs/topics/performance.md). So do the tables of the
transforms: they are signal processing, not weights, and int8 would put a noise floor 40 dB under
the loudest partial.

litert-torch is two gigabytes; docs/guides/embedding.md says how to install it apart.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from export.graphs import DecoderGraph, EncoderGraph, graphs_by_role
from export.level import add_level_argument, gains_of
from export.onnx import prepare
from export.parity import compare
from export.quiet import quiet
from export.rounding import measure_rounding
from q2d2_stream.cli.failures import run_command
from q2d2_stream.engine.choice import model_file
from q2d2_stream.engine.codec import MODELS
from q2d2_stream.engine.litert_runner import METADATA_FILE, LitertRunner
from q2d2_stream.errors import MissingExtra
from q2d2_stream.model.net import CodecNet
from research.train.checkpoint import net_of, read_checkpoint

__all__ = ["export_tflite", "load_pair"]

# The converter names a layer's output after the module that made it.
_BLOCKS, _ENDS = ".*Linear_(up|down).*", ".*Linear_(project_in|project_out|head).*"


def _convert(graph: EncoderGraph | DecoderGraph) -> bytes:
    """The graph as plain fp32 TFLite, inputs and outputs in the graph's order."""
    try:
        import litert_torch
    except ImportError as error:
        raise MissingExtra("litert-torch", "export", "Exporting to TFLite") from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.tflite"
        litert_torch.convert(graph.eval(), graph.example()).export(str(path))
        return path.read_bytes()


def _quantized(model: bytes, precision: str) -> bytes:
    from ai_edge_quantizer import (  # type: ignore[import-not-found,unused-ignore]
        algorithm_manager,
        qtyping,
        quantizer,
    )

    made = quantizer.Quantizer(bytearray(model))
    layers = qtyping.TFLOperationName.FULLY_CONNECTED
    tensor = qtyping.QuantGranularity.TENSORWISE
    casting = algorithm_manager.AlgorithmName.FLOAT_CASTING
    made.add_weight_only_config(_ENDS, layers, 16, tensor, casting)
    if precision == "int8":
        made.add_dynamic_config(_BLOCKS, layers, 8, granularity=tensor)
    else:
        made.add_weight_only_config(_BLOCKS, layers, 16, tensor, casting)
    return bytes(made.quantize().quantized_model)


def _named(model: bytes, graph: EncoderGraph | DecoderGraph) -> bytes:
    """Inputs and outputs by the names that the ONNX files have, in tensors and signature."""
    from ai_edge_litert.tools import flatbuffer_utils

    content: Any = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    subgraph, signature = content.subgraphs[0], content.signatureDefs[0]
    inputs = [*graph.input_names, *(f"state.{name}" for name in graph.state_names)]
    outputs = [graph.output_name, *(f"next.{name}" for name in graph.state_names)]
    for names, entries in ((inputs, signature.inputs), (outputs, signature.outputs)):
        # "args_10", "output_2": the number is the place in the graph's forward()
        entries.sort(key=lambda entry: int(entry.name.decode().rpartition("_")[2]))
        for name, entry in zip(names, entries, strict=True):
            entry.name = subgraph.tensors[entry.tensorIndex].name = name.encode()
    subgraph.inputs = [entry.tensorIndex for entry in signature.inputs]
    subgraph.outputs = [entry.tensorIndex for entry in signature.outputs]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(content))


def _write(model: bytes, path: Path, said: dict[str, str]) -> None:
    """The model, then a ZIP archive with the metadata, which an interpreter ignores."""
    said = {**said, "q2d2.crc32": f"{zlib.crc32(model):08x}"}
    with path.open("wb") as file:
        file.write(model)
        with zipfile.ZipFile(file, "a") as archive:
            entry = zipfile.ZipInfo(METADATA_FILE)  # without a date: equal models, equal files
            archive.writestr(entry, json.dumps(said, sort_keys=True))


def export_tflite(
    net: CodecNet, folder: Path, training: str = "", gain_db: Sequence[float] | None = None
) -> str:
    """Write the files to ``folder`` and return the model id; the networks are rounded to fp16."""
    said = prepare(net, folder, training, gain_db)
    for role, graph in graphs_by_role(net).items():
        plain = _named(_convert(graph), graph)
        for precision in ("fp32", "int8"):
            model = _quantized(plain, precision)
            path = model_file(folder, role, ("tflite", precision))
            about = {**said[role], "q2d2.precision": precision}
            _write(model, path, about)
            values = [float(f"{x:.5g}") for x in LitertRunner(path, trust=True).probe()]
            _write(model, path, {**about, "q2d2.probe": json.dumps(values)})
    return said["decoder"]["q2d2.model_id"]


def load_pair(folder: Path, precision: str) -> tuple[LitertRunner, LitertRunner]:
    """Encoder and decoder of a folder."""
    encoder, decoder = (
        LitertRunner(model_file(folder, role, ("tflite", precision)))
        for role in ("encoder", "decoder")
    )
    return encoder, decoder


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m export.tflite", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--out", type=Path, default=MODELS, help="folder for the files")
    parser.add_argument("--training", default="", help="one line on how the weights were made")
    add_level_argument(parser)
    args = parser.parse_args(argv)
    with quiet():
        return run_command("export.tflite", partial(_run, args))


def _run(args: argparse.Namespace) -> int:
    checkpoint = read_checkpoint(args.checkpoint)
    net = net_of(checkpoint)
    progress = checkpoint["progress"]
    training = args.training or f"stage {progress['stage']}, step {progress['step']}"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        model_id = export_tflite(net, args.out, training, gains_of(args, net))
    report = compare(net, *load_pair(args.out, "fp32"))
    rounding = measure_rounding(net, *load_pair(args.out, "int8"))
    print(f"{model_id}, fp32: {report}")
    print(f"{model_id}, int8: {rounding}")
    return 0 if report.passed and rounding.passed else 1


if __name__ == "__main__":
    sys.exit(main())
