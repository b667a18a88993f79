"""``python -m export.restore OUT.pt``: the shipped models as a checkpoint to train on from."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from q2d2_stream.engine.codec import MODELS
from q2d2_stream.errors import ModelError, Q2D2Error
from q2d2_stream.model import ModelConfig
from q2d2_stream.training.checkpoint import Average, Progress, save_checkpoint
from q2d2_stream.training.stages import CodecNet

__all__ = ["restore_net"]


def restore_net(folder: Path) -> CodecNet:
    """The network in a folder's two model files: inverse of ``export.onnx.export_onnx``.

    Raises ModelError when the files do not hold every parameter.
    """
    weights: dict[str, Tensor] = {}
    said: dict[str, str] = {}
    for role in ("encoder", "decoder"):
        model = onnx.load(str(folder / f"{role}.onnx"))
        said = {entry.key: entry.value for entry in model.metadata_props}
        for tensor in model.graph.initializer:
            value = torch.from_numpy(numpy_helper.to_array(tensor).astype(np.float32))
            name = tensor.name.removesuffix(".half")
            plain = name.removesuffix(".T")
            weights[plain] = value.T.contiguous() if plain != name else value
    net = CodecNet(ModelConfig.from_json(said["q2d2.model"]))
    missing = [name for name, _ in net.named_parameters() if name not in weights]
    if missing:
        raise ModelError(f"{folder} lacks {len(missing)} parameters, {missing[0]} the first")
    net.load_state_dict({name: weights[name] for name, _ in net.named_parameters()})
    return net


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m export.restore", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--models", type=Path, default=MODELS)
    args = parser.parse_args(argv)
    try:
        net = restore_net(args.models)
    except Q2D2Error as error:
        print(f"export.restore: {error}", file=sys.stderr)
        return 1
    save_checkpoint(args.out, net, Average(net), {}, {}, Progress(stage=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
