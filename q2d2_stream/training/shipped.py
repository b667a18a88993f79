"""The shipped model files as a network in torch again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from q2d2_stream.errors import MissingExtra, ModelError
from q2d2_stream.model import ModelConfig
from q2d2_stream.training.stages import CodecNet

__all__ = ["shipped_net"]


def shipped_net(folder: Path, encoder: str = "encoder") -> CodecNet:
    """The network in a folder's model files: inverse of ``export.onnx.export_onnx``.

    Args:
        folder: of the files.
        encoder: "encoder", or "denoiser" for the network that has it as its encoder.

    Raises:
        ModelError: a file is missing or does not hold every parameter.
        MissingExtra: the package onnx is not installed.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise MissingExtra("onnx", "search", "reading the model files") from error
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
