"""Checkpoints: weights, their average, the optimiser, and where the run stands."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from q2d2_stream.errors import ModelError
from q2d2_stream.files.output import open_output
from q2d2_stream.model import ModelConfig
from q2d2_stream.model.net import CodecNet
from q2d2_stream.quantizer import LAGS

__all__ = [
    "Average",
    "Progress",
    "load_net",
    "net_of",
    "read_checkpoint",
    "read_config",
    "save_checkpoint",
    "write_checkpoint",
]


@dataclass
class Progress:
    """Where a run stands; survives a restart."""

    stage: int = 0
    step: int = 0
    seconds: float = 0.0  # of wall clock spent training
    audio_seconds: float = 0.0  # of speech seen


class Average:
    """An exponential moving average of the weights, short at first: in a short run a long
    average is worse than the last weights."""

    def __init__(self, net: nn.Module, decay: float = 0.998) -> None:
        self.decay, self.updates = decay, 0
        self.shadow = {k: p.detach().clone() for k, p in net.named_parameters()}
        # a tensor beside the weights: updates may be recorded on a GPU
        self.share = torch.zeros((), device=next(net.parameters()).device)

    def restore(self, weights: dict[str, Tensor], updates: int) -> None:
        """Go on from an average of so many ``updates``."""
        self.updates = updates
        self.shadow = {k: weights[k].detach().clone() for k in self.shadow}

    def advance(self) -> None:
        """Called before every update."""
        self.updates += 1
        self.share.fill_(1.0 - min(self.decay, self.updates / (self.updates + 10.0)))

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Take in the current weights."""
        shadows = [self.shadow[name] for name, _ in net.named_parameters()]
        away = torch._foreach_sub(list(net.parameters()), shadows)
        torch._foreach_mul_(away, self.share)
        torch._foreach_add_(shadows, away)


def save_checkpoint(
    path: Path,
    net: CodecNet,
    average: Average,
    stage_head: dict[str, Tensor],
    optimizers: dict[str, torch.optim.Optimizer],
    progress: Progress,
) -> None:
    """Write what a run needs to go on, and what an export takes."""
    content = {
        "config": net.config.to_json(),
        "weights": net.state_dict(),
        "average": average.shadow,
        "stage_head": stage_head,
        "optimizers": {name: each.state_dict() for name, each in optimizers.items()},
        "progress": asdict(progress),
    }
    write_checkpoint(path, content)


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write atomically, so that a run that is cut off leaves the previous checkpoint whole; the
    folder is made. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_output(str(path)) as stream:
        torch.save(content, stream)


def read_checkpoint(path: Path, expected: ModelConfig | None = None) -> dict[str, Any]:
    """The checkpoint's parts; raises ModelError for a file of another kind or format, and for a
    network of other sizes or another bitstream than ``expected``."""
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        found = ModelConfig.from_json(content["config"])
    except ModelError:
        raise
    except Exception as error:  # torch raises half a dozen unrelated types here
        raise ModelError(f"{path} is not a q2d2-stream checkpoint ({error})") from error
    if expected is not None and found != expected:
        raise ModelError(
            f"{path} is of another network ({_differences(found, expected)}): go on with the "
            "version that made it, or begin anew"
        )
    head = content["stage_head"]  # named otherwise before 0.1.0
    content["stage_head"] = {
        k.replace("discriminator.", "discriminator."): v for k, v in head.items()
    }
    none = torch.zeros(LAGS, len(found.codec.levels))  # as it was before there was noise shaping
    for part in ("weights", "average"):
        content[part].setdefault("quantizer.feedback", none)
    return content


def read_config(path: Path) -> ModelConfig:
    """Of which network a checkpoint is; raises ModelError."""
    return ModelConfig.from_json(read_checkpoint(path)["config"])


def _differences(found: ModelConfig, expected: ModelConfig) -> str:
    there, here = (asdict(each) | asdict(each.codec) for each in (found, expected))
    return "; ".join(
        f"{name} is {there[name]}, expected {here[name]}"
        for name in sorted(here)
        if name != "codec" and there[name] != here[name]
    )


def load_net(path: Path, averaged: bool = True) -> CodecNet:
    """The network of a checkpoint's file, on the CPU, ready to run."""
    return net_of(read_checkpoint(path), averaged)


def net_of(content: dict[str, Any], averaged: bool = True) -> CodecNet:
    """The network of a checkpoint that was read."""
    net = CodecNet(ModelConfig.from_json(content["config"]))
    weights = content["average"] if averaged else content["weights"]
    net.load_state_dict(weights)
    return net.eval()
