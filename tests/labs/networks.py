"""Untrained networks behind the engine's face: codecs of other weights, without files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from export.graphs import DecoderGraph, EncoderGraph
from export.onnx import metadata
from q2d2_stream.config import CodecConfig
from q2d2_stream.engine import Codec
from q2d2_stream.engine.runner import Array, State
from q2d2_stream.model import ModelConfig
from q2d2_stream.model.net import CodecNet
from tests.labs.entropy import REFINED, coder

__all__ = ["TorchRunner", "codec_of", "small_net"]


class TorchRunner:
    """One role of a network, run by torch."""

    def __init__(self, graph: EncoderGraph | DecoderGraph, said: Mapping[str, str]) -> None:
        self._graph, self._said = graph, said

    @property
    def metadata(self) -> Mapping[str, str]:
        return self._said

    def initial_state(self) -> State:
        plain = len(self._graph.input_names)
        return tuple(each.numpy() for each in self._graph.example()[plain:])

    def step(self, inputs: tuple[Array, ...], state: State) -> tuple[Array, State]:
        given = [torch.from_numpy(np.ascontiguousarray(each)) for each in (*inputs, *state)]
        with torch.no_grad():
            output, *after = self._graph(*given)
        return output.numpy(), tuple(each.numpy() for each in after)


def small_net(codec: CodecConfig = REFINED, seed: int = 0) -> CodecNet:
    """A network of two small blocks at either end."""
    torch.manual_seed(seed)
    sizes = {"encoder_dim": 48, "encoder_blocks": 2, "decoder_dim": 48, "decoder_blocks": 2}
    net = CodecNet(replace(ModelConfig(), codec=codec, **sizes)).eval()
    if net.refinement is not None:  # its errors are large
        net.refinement.step.data.fill_(2.0)
        net.refinement.unit.data.fill_(2.0)
    return net


def codec_of(net: CodecNet, folder: Path | None = None) -> Codec:
    """The codec of a network; with a folder, its entropy tables are put there."""
    said = metadata(net, "none")
    graphs: dict[str, EncoderGraph | DecoderGraph] = {
        "encoder": EncoderGraph(net.encoder),
        "decoder": DecoderGraph(net.decoder),
    }
    tables = None
    if folder is not None:
        fitted = replace(
            coder(net.config.codec).tables,
            model_hash=bytes.fromhex(said["decoder"]["q2d2.model_hash"]),
        )
        tables = folder / "indices.tables"
        tables.write_bytes(fitted.to_bytes())
    return Codec(lambda role: TorchRunner(graphs[role], said[role]), "torch", tables=tables)
