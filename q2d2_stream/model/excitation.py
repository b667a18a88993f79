"""The decoder's sound sources: a pulse train at the decoded pitch, and noise.

Both are closed forms of a small state, so that every engine makes the same sound.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from q2d2_stream.refinement.noise import INCREMENT, MODULUS, MULTIPLIER, noise_seeds

__all__ = ["NoisePhase", "PulseTrain"]


class PulseTrain(nn.Module):
    """A band-limited pulse train: all harmonics of F0 up to 11.5 kHz, in phase, power one.

    The sum of K cosines is a Dirichlet kernel, sin((K + 1/2) p) / (2 sin(p / 2)) - 1/2, so one
    sample costs two sines whatever the pitch. The phase is the running sum of F0, which moves
    linearly from one frame's value to the next:

        F0      f[t-1] ------> f[t]
        samples |--- 320 of frame t ---|

    Two decoders that hear the same indices place their pulses alike if F0 is on a grid
    (:meth:`on_grid`) and the phase begins anew, somewhere at random, after every frame in which
    nobody hears the pulses: what an engine that rounds otherwise or a lost packet has made
    different is the same again after the next unvoiced sound.
    """

    GRID_HZ = 0.125  # of F0: 2 cents at 100 Hz; sums and products of such numbers are exact

    steps: Tensor
    bend: Tensor

    def __init__(self, sample_rate: int, hop: int, top_hz: float = 11_500.0) -> None:
        super().__init__()
        self.sample_rate, self.hop, self.top_hz = sample_rate, hop, top_hz
        n = torch.arange(1, hop + 1, dtype=torch.float64)
        self.register_buffer("steps", (n / sample_rate).float(), persistent=False)
        self.register_buffer("bend", (n * n / (2 * hop * sample_rate)).float(), persistent=False)

    def initial_state(self, batch: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Phase in cycles and the previous F0 in Hz (0: there was none), both ``(batch, 1)``."""
        return torch.zeros(batch, 1, device=device), torch.zeros(batch, 1, device=device)

    def on_grid(self, f0: Tensor) -> Tensor:
        """The nearest F0 that every engine computes alike to the last bit."""
        return torch.round(f0 / self.GRID_HZ) * self.GRID_HZ

    def forward(
        self, f0: Tensor, state: tuple[Tensor, Tensor], anew: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """F0 ``(batch, frames)`` in Hz at the frames' ends -> ``(batch, frames, 320)``.

        ``anew``, both ``(batch, frames)``: after which frames the phase is another, and which.
        """
        phase, last = state
        last = torch.where(last > 0, last, f0[:, :1])
        before = torch.cat([last, f0[:, :-1]], dim=1)
        advance = (before + f0) * (0.5 * self.hop / self.sample_rate)
        # In steps of 2^-22 cycles sums are exact, so a stream and a whole clip agree to the bit.
        advance = torch.round((advance - torch.floor(advance)) * 2.0**22) * 2.0**-22
        if f0.shape[1] == 1:
            start, end = phase, phase + advance
            if anew is not None:
                end = torch.where(*anew, end)
        else:
            total = torch.cumsum(advance.double(), dim=1)
            total = total + (phase if anew is None else self._since(total, phase, *anew))
            total = (total - torch.floor(total)).float()
            start, end = torch.cat([phase, total[:, :-1]], dim=1), total[:, -1:]
        end = end - torch.floor(end)
        cycles = start[..., None] + before[..., None] * self.steps
        cycles = cycles + (f0 - before)[..., None] * self.bend
        x = cycles - torch.floor(cycles + 0.5)
        x = torch.where(torch.abs(x) < 1e-6, torch.full_like(x, 1e-6), x)
        count = torch.floor(self.top_hz / f0)[..., None]
        kernel = torch.sin(2.0 * math.pi * (count + 0.5) * x) / (2.0 * torch.sin(math.pi * x))
        return (kernel - 0.5) * torch.sqrt(2.0 / count), (end, f0[:, -1:])

    @staticmethod
    def _since(total: Tensor, phase: Tensor, begins: Tensor, there: Tensor) -> Tensor:
        """What the running sum lacks after each frame: the phase where it began anew last, less
        the sum there."""
        frames = torch.arange(1, begins.shape[1] + 1, device=begins.device)
        last = torch.cummax(torch.where(begins, frames, 0), dim=1).values  # 0: at the start
        offsets = torch.cat([phase.double(), there - total], dim=1)
        return torch.gather(offsets, 1, last)


class NoisePhase(nn.Module):
    """Random phases, one per bin and frame, from integer generators held exactly in floats.

    s <- (1229 s + 2531) mod 4096: a full-period linear congruential generator (Knuth, TAOCP 2,
    3.2.1.2) whose products stay below 2^24, so that float32 computes it exactly everywhere. All
    bins step alike, so their seeds must not be in any linear order: a phase that rises steadily
    over the bins is no noise but a click.
    """

    MULTIPLIER, INCREMENT, MODULUS = MULTIPLIER, INCREMENT, MODULUS
    seeds: Tensor

    def __init__(self, bins: int) -> None:
        super().__init__()
        seeds = torch.tensor(noise_seeds(bins).tolist(), dtype=torch.float32)
        self.register_buffer("seeds", seeds, persistent=False)
        self.kept: dict[tuple[int, torch.device], tuple[Tensor, Tensor]] = {}

    def _jumps(self, frames: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Factor and summand of 1 to ``frames`` steps at once, ``(frames, 1)`` each."""
        jumps, offsets, jump, offset = [], [], 1, 0
        for _ in range(frames):
            jump = jump * self.MULTIPLIER % self.MODULUS
            offset = (offset * self.MULTIPLIER + self.INCREMENT) % self.MODULUS
            jumps.append(float(jump))
            offsets.append(float(offset))
        a, c = (torch.tensor(each, device=device)[:, None] for each in (jumps, offsets))
        return a, c

    def initial_state(self, batch: int) -> Tensor:
        """Distance of each generator from its seed, integers as floats, ``(batch, bins)``."""
        return torch.zeros(batch, self.seeds.shape[0], device=self.seeds.device)

    def forward(self, frames: int, state: Tensor) -> tuple[Tensor, Tensor]:
        """``frames`` steps -> angles in radians ``(batch, frames, bins)``."""
        if state.is_cuda:  # tables kept there: recorded steps copy nothing from the host
            key = (frames, state.device)
            if key not in self.kept:
                self.kept[key] = self._jumps(*key)
            a, c = self.kept[key]
        else:
            a, c = self._jumps(frames, state.device)
        raw = (state + self.seeds)[:, None] * a + c
        states = raw - torch.floor(raw * (1.0 / self.MODULUS)) * self.MODULUS
        return states * (2.0 * math.pi / self.MODULUS), states[:, -1] - self.seeds
