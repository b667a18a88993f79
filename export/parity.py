"""Does an exported model compute what the network computes?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.graphs import DecoderGraph, EncoderGraph
from q2d2_stream.engine.runner import ModelRunner
from q2d2_stream.model import Decoder
from q2d2_stream.model.decoder import UNHEARD, Filters
from q2d2_stream.model.net import CodecNet

__all__ = ["Parity", "compare"]

TOLERANCE = 1e-4
# Grid units, of which a cell is .7 wide. At single frames the encoder's fourth and fifth block
# multiply the rounding of nearly empty bins to 5e-4 (research/log/2026-11-30-float-errors.md).
LATENT_TOLERANCE = 1e-3
SPEECH = Path(__file__).parent.parent / "apps" / "speech" / "kathleen_en_0.flac"


@dataclass(frozen=True)
class Parity:
    """Largest differences between torch and an engine over a streamed clip.

    Attributes:
        frames: frames compared.
        latent: largest difference of a latent, grid units.
        pcm: largest difference of a sample.
        encoder_state, decoder_state: largest difference of any state value.
        indices: frames whose indices differ.
        excused: of those, frames with a latent so near a cell border that either side is right.
        ties: frames where rounding decides between two pitches, or whether the highest harmonic is
            still below the top: either is right, so their sound and state are not compared.
    """

    frames: int
    latent: float
    pcm: float
    encoder_state: float
    decoder_state: float
    indices: int
    excused: int
    ties: int

    @property
    def passed(self) -> bool:
        """Whether every difference is within tolerance."""
        worst = max(self.pcm, self.encoder_state, self.decoder_state)
        near = worst <= TOLERANCE and self.latent <= LATENT_TOLERANCE
        return near and self.indices == self.excused


def _gap(name: str, mine: Tensor, theirs: NDArray[np.float32]) -> float:
    gap = np.abs(mine.numpy() - theirs)
    if name == "phase":  # in cycles, so 0 and 1 are one place
        gap = np.minimum(gap, 1.0 - gap)
    return float(gap.max() / max(1.0, np.abs(theirs).max()))


def _is_tie(decoder: Decoder, filters: Filters) -> bool:
    """Whether the last bits of a frame's logits decide on the pitch, the number of harmonics, or
    whether phases begin anew."""
    pitch = filters.pitch[0, 0]
    first, second = pitch.topk(2).values
    harmonics = float(decoder.pulse_train.top_hz / decoder.decoded_f0(filters))
    if first - second < TOLERANCE or abs(harmonics - round(harmonics)) < TOLERANCE:
        return True
    if filters.refined is None or not filters.refined.any():
        return False
    steps = float(decoder.exact_f0(pitch) / decoder.pulse_train.GRID_HZ)
    is_between = abs(abs(steps - round(steps)) - 0.5) < 0.01  # of an F0 of 1e-6 either way
    return is_between or bool(torch.abs(filters.voicing - UNHEARD) < TOLERANCE)


class _Pair:
    """One graph in torch and in an engine, fed alike, each with its own state."""

    def __init__(self, mine: EncoderGraph | DecoderGraph, theirs: ModelRunner) -> None:
        self.mine, self.theirs = mine.eval(), theirs
        self.my_state = list(mine.example()[len(mine.input_names) :])
        self.their_state = theirs.initial_state()
        self.output_gap = self.state_gap = 0.0

    def share(self, *names: str) -> None:
        """Give the engine torch's values of these states."""
        state = zip(self.mine.state_names, self.my_state, self.their_state, strict=True)
        self.their_state = tuple(a.numpy() if name in names else b for name, a, b in state)

    def step(self, *inputs: Tensor, compared: bool = True) -> tuple[Tensor, Tensor]:
        mine, *self.my_state = self.mine(*inputs, *self.my_state)
        given = tuple(x.numpy() for x in inputs)
        theirs, self.their_state = self.theirs.step(given, self.their_state)
        if not compared:
            self.share(*self.mine.state_names)
            return mine, torch.from_numpy(theirs)
        self.output_gap = max(self.output_gap, _gap("", mine, theirs))
        states = zip(self.mine.state_names, self.my_state, self.their_state, strict=True)
        self.state_gap = max(self.state_gap, *(_gap(*state) for state in states))
        return mine, torch.from_numpy(theirs)


@torch.no_grad()
def compare(net: CodecNet, encoder: ModelRunner, decoder: ModelRunner, frames: int = 200) -> Parity:
    """Stream ``frames`` of real speech through both, at all rates and with lost frames.

    Every frame's pulses begin at torch's phase: it is a running sum of F0, so that where an
    engine's F0 differs in the last bit the phases part by some 1e-7 cycles per frame, which the
    highest harmonics show a hundredfold and nobody hears.
    """
    pcm, _ = soundfile.read(SPEECH, dtype="float32")
    encoders = _Pair(EncoderGraph(net.encoder), encoder)
    decoders = _Pair(DecoderGraph(net.decoder), decoder)
    config = net.config.codec
    differing = excused = ties = 0
    for n, frame in enumerate(pcm[: frames * config.hop].reshape(-1, 1, config.hop)):
        latent, other = encoders.step(torch.from_numpy(frame))
        points, index = net.quantizer(latent)
        if not torch.equal(index, net.quantizer(other)[1]):
            differing += 1
            nudges = (latent + LATENT_TOLERANCE, latent - LATENT_TOLERANCE)
            excused += any(not torch.equal(index, net.quantizer(x)[1]) for x in nudges)
        lost = n % 29 in (7, 8)
        rates = len(config.ladder)
        rate = rates if lost else n % rates
        sent = 0 if lost else 2 * config.ladder[rate].pairs
        mask = (torch.arange(points.shape[-1]) < sent).float()
        flags = torch.eye(rates + 1)[rate]
        decoders.share("phase", "f0", "pulses")
        given = (points * mask)[None], flags[None, None]
        blocks = tuple(
            state
            for name, state in zip(decoders.mine.state_names, decoders.my_state, strict=True)
            if name.startswith("block")
        )
        tie = _is_tie(net.decoder, net.decoder.filters(*given, blocks)[0])
        decoders.step(*given, compared=not tie)
        ties += tie
    return Parity(
        frames, encoders.output_gap, decoders.output_gap,
        encoders.state_gap, decoders.state_gap, differing, excused, ties,
    )  # fmt: skip
