"""The shipped model files as a network in torch again, and the critic beside them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from q2d2_stream.errors import MissingExtra, ModelError
from q2d2_stream.model import ModelConfig
from q2d2_stream.model.discriminator import Discriminator
from q2d2_stream.model.net import CodecNet

__all__ = ["CRITIC_FILE", "cast_floats", "read_critic", "shipped_critic", "shipped_net"]

CRITIC_FILE = "critic.npz"


def cast_floats(tensors: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """The same tensors, those of floating point as ``dtype``; counters stay what they are."""
    return {k: v.to(dtype) if v.is_floating_point() else v for k, v in tensors.items()}


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
    if "q2d2.feedback" in said:
        weights["quantizer.feedback"] = torch.tensor(json.loads(said["q2d2.feedback"]))
    else:  # exported before there was any
        weights["quantizer.feedback"] = net.quantizer.feedback.detach()
    missing = [name for name, _ in net.named_parameters() if name not in weights]
    if missing:
        raise ModelError(f"{folder} lacks {len(missing)} parameters, {missing[0]} the first")
    net.load_state_dict({name: weights[name] for name, _ in net.named_parameters()})
    return net


def read_critic(path: Path) -> dict[str, Tensor]:
    """What ``export.critic.save_critic`` wrote, in float32.

    Raises ModelError when it is no critic of this version's shapes.
    """
    if not path.exists():
        raise ModelError(
            f"no critic is kept in {path}; stage 2 begins with a new one, or write it with "
            "export.critic"
        )
    try:
        with np.load(path, allow_pickle=False) as content:
            found = {name: torch.from_numpy(content[name]) for name in content.files}
    except Exception as error:  # numpy and zipfile raise several unrelated types
        raise ModelError(
            f"{path} holds no critic ({error}), write it with export.critic"
        ) from error
    wanted = {f"critic.{name}": value.shape for name, value in Discriminator().state_dict().items()}
    wanted["steps"] = torch.Size(())
    if {name: value.shape for name, value in found.items()} != wanted:
        raise ModelError(f"{path} holds a critic of other shapes; export.critic makes one")
    return cast_floats(found, torch.float32)


def shipped_critic(folder: Path) -> Discriminator | None:
    """The critic that the decoder in a folder of models was trained against, if one is there."""
    path = folder / CRITIC_FILE
    if not path.exists():
        return None
    prefix = "critic."
    found = {k: v for k, v in read_critic(path).items() if k.startswith(prefix)}
    critic = Discriminator()
    critic.load_state_dict({k.removeprefix(prefix): v for k, v in found.items()})
    return critic.eval().requires_grad_(False)
