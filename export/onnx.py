"""``python -m export.onnx CHECKPOINT``: checkpoint -> encoder.onnx and decoder.onnx, checked.

Weights are rounded to fp16 first and stored so, with a Cast that onnxruntime folds at load:
half the file at the speed of fp32. The tables of the transforms stay fp32.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from export.graphs import (
    DecoderGraph,
    EncoderGraph,
    count_macs,
    count_parameters,
    graphs_by_role,
)
from export.level import add_level_argument, gains_of
from export.parity import compare
from q2d2_stream.cli.failures import run_command
from q2d2_stream.engine.codec import MODEL_FORMAT, MODELS
from q2d2_stream.engine.onnx_runner import OnnxRunner
from q2d2_stream.model.net import CodecNet
from research.train.checkpoint import net_of, read_checkpoint

__all__ = ["export_onnx", "metadata", "round_to_half"]

_SMALL = 1024  # elements; below this halving saves nothing


@torch.no_grad()
def round_to_half(net: nn.Module) -> None:
    """Round every parameter to what fp16 can hold, so that all exports are of equal weights."""
    for parameter in net.parameters():
        parameter.copy_(parameter.half().float())


def _digest(net: nn.Module, text: str) -> str:
    """SHA-256 of the parameters as fp16, which is how they are stored, and of the tables that are
    no parameters but that both ends must share: grids, seeds of the noise. Those of sines are left
    out, whose last bits differ from machine to machine."""
    digest = hashlib.sha256(text.encode())
    for name, parameter in sorted(net.named_parameters()):
        digest.update(name.encode() + parameter.detach().half().numpy().tobytes())
    for name, table in sorted(net.named_buffers()):
        halves = 2 * table.detach().double()
        if torch.equal(halves, halves.round()):
            digest.update(name.encode() + halves.numpy().tobytes())
    return digest.hexdigest()


def metadata(
    net: CodecNet, training: str, gain_db: Sequence[float] | None = None
) -> dict[str, dict[str, str]]:
    """What the file of every role says of itself, in any format (docs/guides/embedding.md).

    ``gain_db`` is what :func:`export.level.measure_gain_db` found; None for no gain.
    """
    encoder, decoder = EncoderGraph(net.encoder), DecoderGraph(net.decoder)
    digest = _digest(net, net.config.to_json())
    info = {
        "parameters_encoder": count_parameters(encoder),
        "parameters_decoder": count_parameters(decoder),
        "macs_per_frame_encoder": count_macs(encoder),
        "macs_per_frame_decoder": count_macs(decoder),
        "training": training,
    }
    common = {
        "q2d2.format": MODEL_FORMAT,
        "q2d2.codec": net.config.codec.to_json(),
        "q2d2.gain_db": json.dumps(list(gain_db or [0.0] * len(net.config.codec.ladder))),
        "q2d2.feedback": json.dumps(net.quantizer.feedback.half().tolist()),
        "q2d2.model": net.config.to_json(),
        "q2d2.model_id": f"q2d2-24k-{digest[:8]}",
        "q2d2.model_hash": digest[:16],
        "q2d2.info": json.dumps(info, sort_keys=True),
    }
    if net.refinement is not None:
        common["q2d2.refinement"] = net.refinement.code().to_json()
    return {role: common | {"q2d2.role": role} for role in ("encoder", "decoder")}


def _restore_names(model: onnx.ModelProto, graph: nn.Module) -> None:
    """Name initialisers after the parameters they hold (".T" when transposed): the exporter
    folds transposes and loses the names, and a model file is also where training resumes from."""
    by_value: dict[bytes, str] = {}
    for name, parameter in graph.named_parameters():
        value = parameter.detach().numpy()
        if value.ndim == 2:
            by_value[np.ascontiguousarray(value.T).tobytes()] = f"{name}.T"
        by_value[value.tobytes()] = name
    renamed: dict[str, str] = {}
    for tensor in model.graph.initializer:
        value = numpy_helper.to_array(tensor)
        known = by_value.get(value.tobytes()) if value.size > 1 else None
        if known and known != tensor.name and known not in renamed.values():
            renamed[tensor.name] = tensor.name = known
    for node in model.graph.node:
        for n, name in enumerate(node.input):
            node.input[n] = renamed.get(name, name)


def _halve(model: onnx.ModelProto, parameters: set[str]) -> None:
    casts = []
    for tensor in model.graph.initializer:
        value = numpy_helper.to_array(tensor)
        if tensor.name.removesuffix(".T") not in parameters or value.size < _SMALL:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(value.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)


def _write(graph: EncoderGraph | DecoderGraph, path: Path, said: dict[str, str]) -> None:
    names = [*graph.input_names, *(f"state.{name}" for name in graph.state_names)]
    outputs = [graph.output_name, *(f"next.{name}" for name in graph.state_names)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph.eval(), graph.example(), str(path), input_names=names, output_names=outputs,
            dynamo=True, external_data=False, opset_version=20, verbose=False,
        )  # fmt: skip
    model = onnx.load(str(path))
    _restore_names(model, graph)
    _halve(model, {name for name, _ in graph.named_parameters()})
    del model.metadata_props[:]
    helper.set_model_props(model, said)
    model.graph.doc_string = ""
    for node in model.graph.node:  # the exporter's stack traces are most of a small file
        del node.metadata_props[:]
        node.doc_string = ""
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def prepare(
    net: CodecNet, folder: Path, training: str, gain_db: Sequence[float] | None
) -> dict[str, dict[str, str]]:
    """Make ready for an export in any format: weights rounded to fp16, and the folder there.

    Returns what the file of every role says of itself.
    """
    round_to_half(net.eval())
    folder.mkdir(parents=True, exist_ok=True)
    return metadata(net, training, gain_db)


def export_onnx(
    net: CodecNet, folder: Path, training: str = "", gain_db: Sequence[float] | None = None
) -> str:
    """Write the files to ``folder`` and return the model id; the networks are rounded to fp16."""
    said = prepare(net, folder, training, gain_db)
    for role, graph in graphs_by_role(net).items():
        _write(graph, folder / f"{role}.onnx", said[role])
    return said["decoder"]["q2d2.model_id"]


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m export.onnx", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--out", type=Path, default=MODELS, help="folder for the two files")
    parser.add_argument("--training", default="", help="one line on how the weights were made")
    add_level_argument(parser)
    args = parser.parse_args(argv)
    return run_command("export.onnx", partial(_run, args))


def _run(args: argparse.Namespace) -> int:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    checkpoint = read_checkpoint(args.checkpoint)
    net = net_of(checkpoint)
    progress = checkpoint["progress"]
    training = args.training or f"stage {progress['stage']}, step {progress['step']}"
    model_id = export_onnx(net, args.out, training, gains_of(args, net))
    encoder, decoder = (OnnxRunner(args.out / f"{role}.onnx") for role in ("encoder", "decoder"))
    report = compare(net, encoder, decoder)
    print(f"{model_id}: {report}")
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
