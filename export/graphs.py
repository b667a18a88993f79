"""Encoder and decoder as graphs of one frame, state in and state out, for every exporter."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from q2d2_stream.model import Decoder, DecoderState, Encoder, EncoderState
from q2d2_stream.model.net import CodecNet

__all__ = [
    "DecoderGraph",
    "EncoderGraph",
    "count_macs",
    "count_parameters",
    "graphs_by_role",
]


class EncoderGraph(nn.Module):
    """``pcm (1, 320), state.* -> latent (1, 24), next.*``."""

    input_names = ("pcm",)
    output_name = "latent"

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.state_names = ("samples", *(f"block{n}" for n in range(len(encoder.stack.blocks))))

    def example(self) -> tuple[Tensor, ...]:
        """Inputs of the right shapes, initial state included."""
        state = self.encoder.initial_state()
        hop = self.encoder.analysis.hop
        return torch.zeros(1, hop), state.samples, *state.blocks

    def forward(self, pcm: Tensor, samples: Tensor, *blocks: Tensor) -> tuple[Tensor, ...]:
        latent, after = self.encoder(pcm, EncoderState(samples, blocks))
        return latent[:, 0], after.samples, *after.blocks


class DecoderGraph(nn.Module):
    """``points (1, 1, 24), flags (1, 1, 4), state.* -> pcm (1, 320), next.*``."""

    input_names = ("points", "flags")
    output_name = "pcm"

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder
        self.state_names = (
            "phase", "f0", "pulses", "noise", "tail",
            *(f"block{n}" for n in range(len(decoder.stack.blocks))),
        )  # fmt: skip

    def example(self) -> tuple[Tensor, ...]:
        """Inputs of the right shapes, initial state included."""
        blocks, *sources = self.decoder.initial_state()
        points = torch.zeros(1, 1, len(self.decoder.config.codec.levels))
        return points, torch.zeros(1, 1, self.decoder.flags), *sources, *blocks

    def forward(self, points: Tensor, flags: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        pcm, after = self.decoder(points, flags, DecoderState(state[5:], *state[:5]))
        blocks, *sources = after
        return pcm, *sources, *blocks


def graphs_by_role(net: CodecNet) -> dict[str, EncoderGraph | DecoderGraph]:
    """What a folder of models holds: encoder and decoder."""
    return {"encoder": EncoderGraph(net.encoder), "decoder": DecoderGraph(net.decoder)}


def count_parameters(module: nn.Module) -> int:
    """Trained parameters."""
    return sum(p.numel() for p in module.parameters())


def count_macs(graph: EncoderGraph | DecoderGraph) -> int:
    """Multiply-adds of one frame: all matrix products, transforms and tables included, and the
    depthwise convolutions."""
    total = 0

    def product(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += inputs[0].shape[-1] * output.numel()

    hooks = [m.register_forward_hook(product) for m in graph.modules() if isinstance(m, nn.Linear)]
    with torch.no_grad():
        graph(*graph.example())
    for hook in hooks:
        hook.remove()
    for name, table in graph.named_buffers():
        if table.ndim == 2 and ("cos" in name or "sin" in name or "lags" in name):
            total += table.numel()
    for name, weight in graph.named_parameters():
        if name.endswith("conv.weight"):
            total += weight.numel()
    return total
