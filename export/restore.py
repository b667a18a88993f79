"""``python -m export.restore OUT.pt``: the shipped models as a checkpoint to train on from.

With ``--denoiser``, their denoising encoder as one of stage 3: it serves as long as the encoder
that taught it stays, whatever becomes of the decoder. With ``--critic``, what stage 2 needs to go
on at once (:mod:`export.critic`); with ``--sharpened``, the decoder before it was sharpened.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from export.critic import read_critic
from q2d2_stream.cli.failures import run_command
from q2d2_stream.engine.codec import MODELS
from q2d2_stream.errors import ModelError
from q2d2_stream.model import ModelConfig
from q2d2_stream.training.checkpoint import Average, Progress, save_checkpoint
from q2d2_stream.training.sharpen import sharpen_harmonics
from q2d2_stream.training.stages import CodecNet

__all__ = ["restore_net"]


def restore_net(folder: Path, encoder: str = "encoder") -> CodecNet:
    """The network in a folder's model files: inverse of ``export.onnx.export_onnx``.

    Args:
        folder: of the files.
        encoder: "encoder", or "denoiser" for the network that has it as its encoder.

    Raises ModelError when a file is missing or does not hold every parameter.
    """
    weights: dict[str, Tensor] = {}
    said: dict[str, str] = {}
    for role in (encoder, "decoder"):
        path = folder / f"{role}.onnx"
        if not path.exists():
            raise ModelError(
                f"{folder} has no {path.name}, expected a folder that export.onnx made"
            )
        model = onnx.load(str(path))
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
    parser.add_argument("--denoiser", type=Path, help="where to write the denoising encoder")
    parser.add_argument("--critic", action="store_true", help="add it, to go on with stage 2")
    parser.add_argument(
        "--sharpened", type=float, default=0.0, help="undo training.sharpen of this amount"
    )
    args = parser.parse_args(argv)
    return run_command("export.restore", partial(_run, args))


def _run(args: argparse.Namespace) -> int:
    net = restore_net(args.models)
    if args.sharpened:
        sharpen_harmonics(net.decoder, args.sharpened, undo=True)
    head = read_critic() if args.critic else {}
    pupil = restore_net(args.models, "denoiser") if args.denoiser else None
    progress = Progress(stage=2 if args.critic else 1)
    save_checkpoint(args.out, net, Average(net), head, {}, progress)
    if pupil is not None:
        teacher = {f"teacher.{name}": value for name, value in net.encoder.state_dict().items()}
        save_checkpoint(args.denoiser, pupil, Average(pupil), teacher, {}, Progress(stage=3))
    return 0


if __name__ == "__main__":
    sys.exit(main())
