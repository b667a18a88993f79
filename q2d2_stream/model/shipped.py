"""The shipped model files as a network in torch again, and the discriminator beside them."""

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
from q2d2_stream.refinement import RefinementCode

__all__ = [
    "DISCRIMINATOR_FILE",
    "cast_floats",
    "read_discriminator",
    "shipped_discriminator",
    "shipped_net",
]

DISCRIMINATOR_FILE = "discriminator.npz"
_PREFIX = "discriminator."


def cast_floats(tensors: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """The same tensors, those of floating point as ``dtype``; counters stay what they are."""
    return {k: v.to(dtype) if v.is_floating_point() else v for k, v in tensors.items()}


def shipped_net(folder: Path) -> CodecNet:
    """The network in a folder's model files: inverse of ``export.onnx.export_onnx``.

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
    for role in ("encoder", "decoder"):
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
    if net.refinement is not None:
        net.refinement.load_code(RefinementCode.from_json(said.get("q2d2.refinement", "")))
        own = {f"refinement.{name}": p.detach() for name, p in net.refinement.named_parameters()}
        weights |= own
    missing = [name for name, _ in net.named_parameters() if name not in weights]
    if missing:
        raise ModelError(f"{folder} lacks {len(missing)} parameters, {missing[0]} the first")
    net.load_state_dict({name: weights[name] for name, _ in net.named_parameters()})
    return net


def read_discriminator(path: Path) -> dict[str, Tensor]:
    """What ``export.discriminator.save_discriminator`` wrote, in float32.

    Raises ModelError when it is no discriminator of this version's shapes.
    """
    if not path.exists():
        raise ModelError(
            f"no discriminator is kept in {path}; stage 2 begins with a new one, or write it with "
            "export.discriminator"
        )
    try:
        with np.load(path, allow_pickle=False) as content:
            found = {name: torch.from_numpy(content[name]) for name in content.files}
    except Exception as error:  # numpy and zipfile raise several unrelated types
        raise ModelError(
            f"{path} holds no discriminator ({error}), write it with export.discriminator"
        ) from error
    # as it was called before 0.1.0
    found = {name.replace("critic.", _PREFIX): value for name, value in found.items()}
    expected = Discriminator().state_dict()
    wanted = {f"{_PREFIX}{name}": value.shape for name, value in expected.items()}
    wanted["steps"] = torch.Size(())
    if {name: value.shape for name, value in found.items()} != wanted:
        raise ModelError(
            f"{path} holds a discriminator of other shapes; export.discriminator makes one"
        )
    return cast_floats(found, torch.float32)


def shipped_discriminator(folder: Path) -> Discriminator | None:
    """The discriminator that a folder's decoder was trained against, if one is there."""
    path = folder / DISCRIMINATOR_FILE
    if not path.exists():
        return None
    found = {k: v for k, v in read_discriminator(path).items() if k.startswith(_PREFIX)}
    discriminator = Discriminator()
    discriminator.load_state_dict({k.removeprefix(_PREFIX): v for k, v in found.items()})
    return discriminator.eval().requires_grad_(False)
