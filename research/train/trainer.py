"""The training loop: one process or several, a CPU or a GPU, within a wall-clock budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from q2d2_stream.errors import ModelError
from q2d2_stream.model import ModelConfig
from q2d2_stream.model.layers import CausalStack
from q2d2_stream.model.net import CodecNet
from research.train.batches import Batch
from research.train.checkpoint import Average, Progress, read_checkpoint, save_checkpoint
from research.train.corpus import Corpus
from research.train.cuda_graph import CudaGraphCapture
from research.train.curves import try_curves
from research.train.feed import Feed, feed
from research.train.held import HeldAdversarialStage, HeldWaveStage
from research.train.log import TrainLog
from research.train.optimizers import (
    clip_gradients,
    learning_rate,
    make_optimizers,
    set_learning_rate,
)
from research.train.options import TrainOptions
from research.train.stages import AdversarialStage, LatentStage, Stage, WaveStage
from research.train.whisper import WhisperLayer

__all__ = ["Trainer", "train"]


def train(
    options: TrainOptions,
    config: ModelConfig,
    corpus: Corpus,
    noise: Corpus | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Path:
    """Run one stage for ``options.minutes`` and return the checkpoint's path.

    Under ``torch.distributed`` every process draws its own clips and gradients are averaged.
    A checkpoint of the same stage in ``options.out`` is continued.
    """
    with _denormals_flushed():
        return Trainer(options, config, corpus, noise).run(stop)


@contextmanager
def _denormals_flushed() -> Iterator[None]:
    """Gradients of silence are full of denormals, and CPUs are slow at them."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


class Trainer:
    """One stage of one run, in this process."""

    def __init__(
        self, options: TrainOptions, config: ModelConfig, corpus: Corpus, noise: Corpus | None
    ) -> None:
        distributed = dist.is_initialized()
        self.rank, self.world = (dist.get_rank(), dist.get_world_size()) if distributed else (0, 1)
        local = self.rank % max(1, torch.cuda.device_count())
        self.device = torch.device(f"cuda:{local}" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(options.seed)
        options.out.mkdir(parents=True, exist_ok=True)
        self.options = options
        self.path = options.out / f"stage{options.stage}.pt"
        self.net = CodecNet(config)
        self.stage = _make_stage(options, self.net).to(self.device)
        self.groups = self.stage.trained()
        self.parameters = [p for group in self.groups for p in group]
        peak = options.learning_rate
        self.optimizers = make_optimizers(
            self.parameters,
            self.net,
            torch.tensor(peak, device=self.device) if options.cuda_graphs else peak,
        )
        self.average = Average(self.net, options.average)
        self.progress = self._restore()
        self.log = TrainLog(options.out / f"stage{options.stage}.csv")
        self.log.audio_since = self.progress.audio_seconds
        seed = (options.seed, self.rank, self.progress.step)
        self.rng = np.random.default_rng(seed)
        clips = Feed(
            corpus, noise, config.codec, options.batch, options.frames, (*seed, 1),
            self.stage.refined_share,
        )  # fmt: skip
        self.clip_seconds = options.frames * config.codec.hop / config.codec.sample_rate
        self.batches = feed(clips, options.workers, self.device)
        self._speed_up()
        self.capture = CudaGraphCapture(self._update) if options.cuda_graphs else None

    def run(self, stop: Callable[[], bool] = lambda: False) -> Path:
        """Train until the time is up or ``stop()``; the checkpoint's path."""
        begun, before = time.monotonic(), self.progress.seconds
        saved, budget_s = begun, 60 * self.options.minutes
        while True:
            elapsed = time.monotonic() - begun
            if self._agree(elapsed >= budget_s or self._done(0.0) >= 1.0 or stop()):
                break
            losses = self._step(self._done(elapsed / budget_s))
            self.progress.seconds = before + time.monotonic() - begun
            self.progress.audio_seconds += self.options.batch * self.clip_seconds * self.world
            if self.rank == 0:
                self.log.add(losses, self.progress, self.current_rate)
            if time.monotonic() - saved > 60 * self.options.checkpoint_minutes:
                self._save()
                saved = time.monotonic()
        self._save()
        if self.capture is not None:
            self.capture.close()
        return self.path

    def _done(self, of_run: float) -> float:
        """The part of the stage that is done; ``of_run`` unless it is to hear so many hours."""
        if self.options.hours is None:
            return of_run
        return self.progress.audio_seconds / 3600 / self.options.hours

    def _step(self, done: float) -> dict[str, Tensor]:
        """One step, ``done`` of the budget spent."""
        warm = self.stage.warmed(self.progress.step)
        self.current_rate = self.options.learning_rate * learning_rate(done, warm)
        set_learning_rate(self.optimizers, self.current_rate)
        self.average.advance()
        kind, inputs = self.stage.prepare(), next(self.batches)
        if self.capture is not None:
            losses = self.capture(inputs, kind, self.rng)
        else:
            losses = self._update([each.to(self.device) for each in inputs], self.rng)
        self.stage.count()
        self.progress.step += 1
        return losses

    def _update(self, inputs: Sequence[Tensor], rng: np.random.Generator) -> dict[str, Tensor]:
        for parameter in self.parameters:
            parameter.grad = None
        losses = self.stage.backward(Batch(*inputs), rng)
        norm = clip_gradients(self.groups, self.world)
        for optimizer in self.optimizers.values():
            optimizer.step()
        self.average.update(self.net)
        return {k: v.detach() for k, v in losses.items()} | {"norm": norm}

    def _agree(self, finished: bool) -> bool:
        """All processes leave together: when one has finished."""
        if self.world == 1:
            return finished
        said = torch.tensor([float(finished)], device=self.device)
        dist.all_reduce(said, op=dist.ReduceOp.MAX)
        return bool(said.item())

    def _save(self) -> None:
        if self.rank != 0:
            return
        if self.capture is not None:
            torch.cuda.synchronize()
        own = {k: v for k, v in self.stage.state_dict().items() if not k.startswith("net.")}
        save_checkpoint(self.path, self.net, self.average, own, self.optimizers, self.progress)
        try_curves(self.log.path)

    def _restore(self) -> Progress:
        """Weights and state from the last checkpoint in ``out``, or from ``init``."""
        options, net, stage = self.options, self.net, self.stage
        if self.path.exists():
            content = read_checkpoint(self.path, net.config)
            if "optimizers" not in content:
                raise ModelError(
                    f"{self.path} is from an older trainer; give it as --init, and a new --out"
                )
            net.load_state_dict(content["weights"])
            missing = stage.load_state_dict(content["stage_head"], strict=False)
            assert not missing.unexpected_keys
            for name, optimizer in self.optimizers.items():
                optimizer.load_state_dict(content["optimizers"][name])
            progress = Progress(**content["progress"])
            self.average.restore(content["average"], progress.step)
            return progress
        if options.init is not None:
            content = read_checkpoint(options.init, net.config)
            weights = content["average"]
            if content["progress"]["stage"] == 0:  # its decoder is untrained
                weights = {k: v for k, v in weights.items() if k.startswith("encoder.")}
            net.load_state_dict(weights, strict=False)
            if options.stage == content["progress"]["stage"] == 2:  # the discriminator goes on
                stage.load_state_dict(content["stage_head"], strict=False)
        stage.begin()
        self.average.restore(dict(net.named_parameters()), 0)
        return Progress(stage=options.stage)

    def _speed_up(self) -> None:
        """Let the stacks run fused, or in bfloat16, or both."""
        options = self.options
        if options.compile:
            # A code per shape; the discriminator's graph is walked twice: its buffers stay its own.
            torch._dynamo.config.recompile_limit = 64
            torch._functorch.config.donated_buffer = False
        for module in self.stage.modules():
            if not isinstance(module, CausalStack | WhisperLayer):
                continue
            forward: Any = module.forward
            if options.compile and isinstance(module, CausalStack):
                forward = torch.compile(forward, dynamic=False)
            if options.bf16:
                forward = torch.autocast(self.device.type, torch.bfloat16)(forward)
            cast(nn.Module, module).forward = forward


def _make_stage(options: TrainOptions, net: CodecNet) -> Stage:
    if options.stage == 0:
        return LatentStage(net)
    if options.refined_only and options.stage == 1:
        return HeldWaveStage(net)
    if options.refined_only:
        return HeldAdversarialStage(net, whisper=options.whisper)
    if options.stage == 1:
        return WaveStage(net, options.train_encoder)
    return AdversarialStage(net, options.train_encoder, options.whisper)
