"""Spectrograms of several sounds under each other, as a small PNG."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from q2d2_stream.errors import InputError, MissingExtra

__all__ = ["save_spectrograms"]

_COLOURS = 64  # of the PNG: a third of the bytes of full colour, and nobody sees it


def save_spectrograms(
    sounds: Mapping[str, npt.NDArray[np.float32]],
    path: Path,
    *,
    sample_rate: int = 24_000,
    row_inches: tuple[float, float] = (12.0, 3.0),
) -> None:
    """Draw sounds from top to bottom on one time axis, from -140 (dark) to -40 dB.

    Args:
        sounds: samples of shape ``(n,)`` by their title, at least one.
        path: the PNG to write.
        sample_rate: of all of them.
        row_inches: width and height of one row, at 80 dots per inch.

    Raises:
        InputError: there is no sound.
        MissingExtra: matplotlib is not installed.
    """
    if not sounds:
        raise InputError("there are no sounds to draw, expected at least one")
    try:
        from matplotlib.figure import Figure
        from PIL import Image
    except ImportError as error:
        raise MissingExtra("matplotlib", "plot", "Drawing spectrograms") from error
    width, height = row_inches
    figure = Figure(figsize=(width, height * len(sounds)), layout="constrained")
    rows = figure.subplots(len(sounds), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (title, pcm) in zip(rows, sounds.items(), strict=True):
        # Digital silence has no logarithm; noise at -120 dBFS does.
        floor = 1e-6 * np.random.default_rng(0).standard_normal(len(pcm))
        axes.specgram(pcm + floor, NFFT=512, Fs=sample_rate, noverlap=384, vmin=-140, vmax=-40)
        axes.set_title(title, fontsize="medium", loc="left", pad=2)
        axes.set(ylabel="kHz", ylim=(0, sample_rate / 2))
        axes.set_yticks([0, 4000, 8000, 12_000], labels=["0", "4", "8", "12"])
        axes.tick_params(labelsize="small")
    rows[-1].set_xlabel("s")
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=80)
    Image.open(drawn).convert("RGB").quantize(_COLOURS).save(path, format="PNG", optimize=True)
