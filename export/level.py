"""How loud a model's speech is beside the original, and the gain that makes up for it.

The decoder's head is sharpened after training, which raises the peaks of its spectra, where the
power of speech is; other changes of the weights may move the level as well. So every export
measures it, and the engine applies the gain that it finds (``q2d2.gain_db`` of the metadata).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from q2d2_stream.audio.resample import StreamResampler, to_mono
from q2d2_stream.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from q2d2_stream.model import Decoder
    from q2d2_stream.model.net import CodecNet
    from q2d2_stream.model.refinement import Refinement

__all__ = ["add_level_argument", "gains_of", "measure_gain_db"]

_SPEECH = Path(__file__).parents[1] / "apps" / "speech"


def add_level_argument(parser: argparse.ArgumentParser) -> None:
    """Declare ``--level-data``, which :func:`gains_of` reads."""
    parser.add_argument(
        "--level-data", type=Path, default=_SPEECH, help="clips of speech whose level is to be kept"
    )


def gains_of(args: argparse.Namespace, net: CodecNet) -> list[float]:
    """The gains of ``net``, measured on the clips that the arguments name."""
    return measure_gain_db(net, _read_clips(args.level_data, net.config.codec.sample_rate))


def _read_clips(folder: Path, sample_rate: int) -> list[NDArray[np.float32]]:
    """The FLAC and WAV files of a folder as mono; raises InputError where there are none."""
    clips = []
    for path in sorted([*folder.glob("*.flac"), *folder.glob("*.wav")]):
        pcm, rate = soundfile.read(path, dtype="float32", always_2d=True)
        clips.append(StreamResampler(rate, sample_rate, "file").push(to_mono(pcm), last=True))
    if not clips:
        raise InputError(f"{folder} has no flac or wav files, expected clips of speech")
    return clips


@torch.no_grad()
def measure_gain_db(net: CodecNet, clips: Sequence[NDArray[np.float32]]) -> list[float]:
    """Decibels that are missing to the level of the originals, one number for each rate.

    Args:
        net: the whole codec.
        clips: mono speech at its sample rate; the mean of their decibels counts.
    """
    config = net.config.codec
    missing = np.zeros((len(clips), len(config.ladder)))
    for clip, row in zip(clips, missing, strict=True):
        pcm = torch.from_numpy(clip[: len(clip) // config.hop * config.hop])[None]
        points, _ = net.encode(pcm)
        for rate in config.ladder:
            sent = points * (torch.arange(points.shape[-1]) < 2 * rate.pairs)
            flags = torch.eye(len(config.ladder) + 1)[rate.index].expand(1, points.shape[1], -1)
            heard, _ = net.decoder(sent, flags, net.decoder.initial_state())
            if rate.refined and net.refinement is not None:
                heard = _refined(net.refinement, net.decoder, pcm, heard)
            power = heard[:, config.lookahead :].square().sum()
            original = pcm[:, : heard.shape[1] - config.lookahead].square().sum()
            row[rate.index] = 10 * torch.log10(original / power)
    return [round(float(gain), 2) for gain in missing.mean(axis=0)]


def _refined(refinement: Refinement, decoder: Decoder, pcm: Tensor, heard: Tensor) -> Tensor:
    """Decoded samples ``(1, samples)`` as a receiver refines them, a frame fewer."""
    original, decoded = (each.view(1, -1, decoder.hop) for each in (pcm, heard))
    error, _ = refinement.errors(decoder, original, decoded)
    coded = refinement.error(refinement.symbols(error))
    return refinement.refine(decoder, decoded, coded, sharpened=True).flatten(1)
