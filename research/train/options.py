"""The options of a training run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["TrainOptions"]


@dataclass(frozen=True)
class TrainOptions:
    """The options of a run.

    Attributes:
        out: folder for ``stageN.pt``, ``stageN.csv`` and ``stageN.png``.
        stage: 0 latents, 1 waveform, 2 adversarial.
        minutes: wall-clock budget of this run; the learning rate falls to zero at its end.
        hours: of speech that the whole stage is to hear, over as many runs as it takes; then the
            learning rate falls to zero at that end instead.
        init: checkpoint whose weights to start from, when ``out`` has none of this stage.
        batch, frames: clips per process and step, and frames per clip.
        learning_rate: its peak.
        train_encoder: stages 1 and 2 train the encoder too.
        refined_only: stages 1 and 2 train the rate with refinement, and hold the others.
        whisper: stage 2 listens to the features of a speech recogniser too.
        compile: fuse the ConvNeXt stacks with torch.compile.
        bf16: bfloat16 inside the ConvNeXt stacks, where nearly all products are; spectra, losses
            and Muon (whose Gram matrices lose their small values in it) stay in float32. For a
            GPU or a CPU with AMX or AVX512-BF16; ruinous elsewhere.
        cuda_graphs: record steps as CUDA graphs (one process on a GPU).
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
    batch: int = 6
    frames: int = 120
    learning_rate: float = 1e-3
    train_encoder: bool = False
    refined_only: bool = False
    whisper: bool = False
    compile: bool = False
    bf16: bool = False
    cuda_graphs: bool = False
    workers: int = 0
    average: float = 0.998
    checkpoint_minutes: float = 3.0
    seed: int = 0
