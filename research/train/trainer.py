"""The training loop: one process or several, a CPU or a GPU, within a wall-clock budget."""

from __future__ import annotations

import csv
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import ProcessException, start_processes

from q2d2_stream.errors import ModelError, Q2D2Error
from q2d2_stream.model import ModelConfig
from q2d2_stream.model.layers import CausalStack
from q2d2_stream.model.net import CodecNet
from research.train.batches import Batch
from research.train.checkpoint import Average, Progress, read_checkpoint, save_checkpoint
from research.train.corpus import Corpus
from research.train.cuda_graph import Recorder
from research.train.curves import append_row, try_curves
from research.train.denoising import DenoisingStage
from research.train.feed import Feed, feed
from research.train.muon import Muon
from research.train.stages import AdversarialStage, LatentStage, Stage, WaveStage
from research.train.whisper import WhisperLayer

__all__ = ["TrainOptions", "train"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainOptions:
    """What a run is told.

    Attributes:
        out: folder for ``stageN.pt``, ``stageN.csv`` and ``stageN.png``.
        stage: 0 latents, 1 waveform, 2 adversarial, 3 denoising encoder.
        minutes: wall-clock budget of this run; the learning rate falls to zero at its end.
        hours: of speech that the whole stage is to hear, over as many runs as it takes; then the
            learning rate falls to zero at that end instead.
        init: checkpoint whose weights to start from, when ``out`` has none of this stage.
        pupil: stage 3 begins with what this checkpoint of stage 3 had learned.
        batch, frames: clips per process and step, and frames per clip.
        rate: peak learning rate.
        joint: stages 1 and 2 train the encoder too.
        whisper: stage 2 listens to the features of a speech recogniser too.
        compile: fuse the ConvNeXt stacks with torch.compile.
        bf16: bfloat16 inside the ConvNeXt stacks, where nearly all products are; spectra, losses
            and Muon (whose Gram matrices lose their small values in it) stay in float32. For a
            GPU or a CPU with AMX or AVX512-BF16; ruinous elsewhere.
        graphs: record steps as CUDA graphs (one process on a GPU, stages 0 to 2).
        workers: processes that draw clips; 0 draws them between the steps.
        average: decay of the weights' average.
        checkpoint_minutes: time between checkpoints.
        seed: of everything random.
    """

    out: Path
    stage: int
    minutes: float
    hours: float | None = None
    init: Path | None = None
    pupil: Path | None = None
    batch: int = 6
    frames: int = 120
    rate: float = 1e-3
    joint: bool = False
    whisper: bool = False
    compile: bool = False
    bf16: bool = False
    graphs: bool = False
    workers: int = 0
    average: float = 0.998
    checkpoint_minutes: float = 3.0
    seed: int = 0


def learning_rate(done: float, step: int, warmup: int = 200, decay: float = 0.35) -> float:
    """Warm up, hold, then fall linearly over the last ``decay`` of the budget (0 to 1)."""
    return min(1.0, (step + 1) / warmup) * min(1.0, max(0.0, 1.0 - done) / decay + 0.01)


def _clip_gradients(groups: list[list[nn.Parameter]], world: int) -> Tensor:
    """Average the gradients over the processes and bring the norm of each group to at most one, or
    to zero where it is not finite; returns the norm of the first."""
    norms = []
    for group in groups:
        parameters = [p for p in group if p.grad is not None]
        if not parameters:  # not trained at this step
            norms.append(torch.zeros((), device=group[0].device))
            continue
        flat = torch.cat([cast(Tensor, p.grad).reshape(-1) for p in parameters])
        if world > 1:
            dist.all_reduce(flat)
            flat /= world
        norm = flat.norm()
        scaled = (flat / norm.clamp(min=1.0)).masked_fill(~torch.isfinite(norm), 0.0)
        parts = scaled.split([p.numel() for p in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter)
        norms.append(norm)
    return norms[0]


class _Log:
    """Running means, one CSV row and one log line every ``every`` steps."""

    def __init__(self, path: Path, every: int = 100) -> None:
        self.path, self.every = path, every
        self.sums: dict[str, Tensor] = {}
        self.count, self.since, self.audio_since = 0, time.monotonic(), 0.0

    def add(self, losses: dict[str, Tensor], progress: Progress, rate: float) -> None:
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.count += 1
        if progress.step % self.every:
            return
        elapsed = time.monotonic() - self.since
        row: dict[str, float] = {
            "stage": progress.stage,
            "step": progress.step,
            "minutes": round(progress.seconds / 60, 2),
            "audio_hours": round(progress.audio_seconds / 3600, 3),
            "audio_per_second": round((progress.audio_seconds - self.audio_since) / elapsed, 1),
            "rate": round(rate, 7),
        }
        row |= {name: round(float(total) / self.count, 4) for name, total in self.sums.items()}
        if self.path.exists():
            with self.path.open(newline="") as file:
                if next(csv.reader(file), None) != list(row):  # a run of other losses
                    self.path.rename(self.path.with_suffix(f".until{progress.step}.csv"))
        append_row(self.path, row)
        logger.info(" ".join(f"{name}={value:g}" for name, value in row.items()))
        self.sums, self.count = {}, 0
        self.since, self.audio_since = time.monotonic(), progress.audio_seconds


def _optimizers(
    parameters: list[nn.Parameter], net: CodecNet, rate: float | Tensor
) -> dict[str, torch.optim.Optimizer]:
    """Muon for the matrices inside the stacks, AdamW for all else. A rate that is a tensor is on
    the GPU, where steps are recorded."""
    hidden = {
        id(p)
        for name, p in net.named_parameters()
        if p.ndim == 2 and name.endswith(("up.weight", "down.weight"))
    }
    inner = [p for p in parameters if id(p) in hidden]
    outer = [p for p in parameters if id(p) not in hidden]
    adamw = torch.optim.AdamW(
        outer, lr=rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True,
        capturable=isinstance(rate, Tensor),
    )  # fmt: skip
    return {"muon": Muon(inner, lr=rate), "adamw": adamw}


def _set_rate(optimizers: dict[str, torch.optim.Optimizer], rate: float) -> None:
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate


def _speed_up(module: nn.Module, device: torch.device, options: TrainOptions) -> None:
    """Let a module run fused, or in bfloat16, or both."""
    forward = module.forward
    if options.compile and isinstance(module, CausalStack):
        forward = torch.compile(forward, dynamic=False)
    if options.bf16:
        forward = torch.autocast(device.type, torch.bfloat16)(forward)
    module.forward = forward


def _stage(options: TrainOptions, net: CodecNet, speech: Corpus, noise: Corpus | None) -> Stage:
    if options.stage == 0:
        return LatentStage(net)
    if options.stage == 3:
        return DenoisingStage(net, speech, noise, options.pupil)
    if options.stage == 1:
        return WaveStage(net, options.joint)
    return AdversarialStage(net, options.joint, options.whisper)


def _restore(
    options: TrainOptions,
    net: CodecNet,
    stage: Stage,
    optimizers: dict[str, torch.optim.Optimizer],
    average: Average,
) -> Progress:
    last = options.out / f"stage{options.stage}.pt"
    if last.exists():
        content = read_checkpoint(last, net.config)
        if "optimizers" not in content:
            raise ModelError(f"{last} is from an older trainer; give it as --init, and a new --out")
        net.load_state_dict(content["weights"])
        missing = stage.load_state_dict(content["stage_head"], strict=False)
        assert not missing.unexpected_keys
        for name, optimizer in optimizers.items():
            optimizer.load_state_dict(content["optimizers"][name])
        progress = Progress(**content["progress"])
        average.restore(content["average"], progress.step)
        return progress
    if options.init is not None:
        content = read_checkpoint(options.init, net.config)
        weights = content["average"]
        if content["progress"]["stage"] == 0:  # its decoder is untrained
            weights = {k: v for k, v in weights.items() if k.startswith("encoder.")}
        net.load_state_dict(weights, strict=False)
        if options.stage == content["progress"]["stage"] == 2:  # the critic goes on
            stage.load_state_dict(content["stage_head"], strict=False)
    stage.begin()
    average.restore(dict(net.named_parameters()), 0)
    return Progress(stage=options.stage)


@contextmanager
def _denormals_flushed() -> Iterator[None]:
    """Gradients of silence are full of denormals, and CPUs are slow at them."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@_denormals_flushed()
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
    distributed = dist.is_initialized()
    rank, world = (dist.get_rank(), dist.get_world_size()) if distributed else (0, 1)
    device = torch.device(f"cuda:{rank}" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)

    net = CodecNet(config)
    stage = _stage(options, net, corpus, noise).to(device)
    groups = stage.trained()
    parameters = [p for group in groups for p in group]
    rate = torch.tensor(options.rate, device=device) if options.graphs else options.rate
    optimizers = _optimizers(parameters, net, rate)
    average = Average(net, options.average)
    progress = _restore(options, net, stage, optimizers, average)
    seed = (options.seed, rank, progress.step)
    rng = np.random.default_rng(seed)
    clips = Feed(
        corpus, noise, config.codec, options.batch, options.frames, stage.clean, (*seed, 1)
    )
    drawn = feed(clips, options.workers, device)
    if options.compile:
        # a code per shape; the critic's graph is walked twice, so its buffers stay its own
        torch._dynamo.config.recompile_limit = 64
        torch._functorch.config.donated_buffer = False
    for module in stage.modules():
        if isinstance(module, CausalStack | WhisperLayer):
            _speed_up(module, device, options)

    path = options.out / f"stage{options.stage}.pt"
    log = _Log(options.out / f"stage{options.stage}.csv")
    log.audio_since = progress.audio_seconds
    clip_seconds = options.frames * config.codec.hop / config.codec.sample_rate
    begun, before = time.monotonic(), progress.seconds
    saved = begun

    def update(inputs: Sequence[Tensor], rng: np.random.Generator) -> dict[str, Tensor]:
        for parameter in parameters:
            parameter.grad = None
        losses = stage.backward(Batch(*inputs), rng)
        norm = _clip_gradients(groups, world)
        for optimizer in optimizers.values():
            optimizer.step()
        average.update(net)
        return {k: v.detach() for k, v in losses.items()} | {"norm": norm}

    recorder = Recorder(update) if options.graphs else None

    def save() -> None:
        if recorder is not None:
            torch.cuda.synchronize()
        if rank == 0:
            own = {k: v for k, v in stage.state_dict().items() if not k.startswith("net.")}
            save_checkpoint(path, net, average, own, optimizers, progress)
            try_curves(log.path)

    while True:
        elapsed = time.monotonic() - begun
        over = elapsed >= options.minutes * 60 or stop()
        if options.hours is not None:
            over = over or progress.audio_seconds >= options.hours * 3600
        finished = torch.tensor([float(over)])
        if distributed:  # all processes leave together
            dist.all_reduce(finished, op=dist.ReduceOp.MAX)
        if finished.item():
            break
        done = elapsed / (options.minutes * 60)
        if options.hours is not None:
            done = progress.audio_seconds / 3600 / options.hours
        current = options.rate * learning_rate(done, stage.warmed(progress.step))
        _set_rate(optimizers, current)
        average.advance()
        kind, inputs = stage.prepare(), next(drawn)
        if recorder is not None:
            losses = recorder(inputs, kind, rng)
        else:
            losses = update([each.to(device) for each in inputs], rng)
        stage.count()
        progress.step += 1
        progress.seconds = before + time.monotonic() - begun
        progress.audio_seconds += options.batch * clip_seconds * world
        if rank == 0:
            log.add(losses, progress, current)
            if time.monotonic() - saved > options.checkpoint_minutes * 60:
                save()
                saved = time.monotonic()
    save()
    if recorder is not None:
        recorder.close()
    return path


def _worker(
    rank: int, world: int, port: int, run: Callable[[], Any], refusals: SimpleQueue[str]
) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    # a run that is stopped for a while must not be taken for a dead one
    dist.init_process_group("gloo", rank=rank, world_size=world, timeout=timedelta(days=2))
    logging.basicConfig(level=logging.INFO if rank == 0 else logging.WARNING, format="%(message)s")
    try:
        run()
    except Q2D2Error as error:
        refusals.put(str(error))
        raise
    finally:
        dist.destroy_process_group()


def spawn(run: Callable[[], Any], processes: int) -> None:
    """Run ``run`` in several single-threaded processes that average their gradients.

    On a CPU this is faster than one process with several threads: the threads of every small
    operation wait for each other, the processes only once per step. Raises Q2D2Error with the
    sentence of the first process that raised one.
    """
    start = cast(Callable[..., None], start_processes)
    with socket.create_server(("127.0.0.1", 0)) as free:  # two runs may share a machine
        port = free.getsockname()[1]
    refusals: SimpleQueue[str] = get_context("spawn").SimpleQueue()
    try:
        start(_worker, args=(processes, port, run, refusals), nprocs=processes)
    except ProcessException:
        if refusals.empty():
            raise
        raise Q2D2Error(refusals.get()) from None
