"""The refinement's closed loop inside a training step.

The sender decodes what it sends, and knows of no loss; the receiver has its own decoding and the
symbols that arrive. No gradient goes through the symbols: the decoder learns that its levels will
be mended, and spends itself on what gains of 40 bands cannot mend. Left to itself it would then
drift: gains that make up for a level hide from it that the level is wrong, and what rounding takes
pushes it on for ever. So the bits of the symbols are a loss, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from q2d2_stream.analysis_by_synthesis.reconstruction import Losses
from q2d2_stream.config import Rate
from q2d2_stream.model.decoder import DecoderState, Filters
from q2d2_stream.model.net import CodecNet
from q2d2_stream.model.refinement import hold_gains
from research.train.batches import Batch

__all__ = ["ClosedLoop", "Predicted", "clips_refined", "pairs_sent"]

_REFINEMENT_PAIRS = 6  # what the refinement's symbols count for, by their bits
_SILENCE_DB = 40.0  # below the loudest window of a clip: errors there are not counted
_DECIBELS = 20.0 / math.log(10.0)  # in a neper
_BIT_WEIGHT = 0.0025  # of a bit in a frame: what 38 of them gained in reconstruction, .1, over 38

Pitch = Callable[[Filters, Tensor, int], Tensor]


class Predicted(NamedTuple):
    """What the trunk predicts of a batch, what it starts from, its pitch and voicing loss, and the
    points that were sent, lost or not."""

    filters: Filters
    state: DecoderState
    source: Losses
    points: Tensor


def pairs_sent(batch: Batch) -> Tensor:
    """Per frame of every clip, on average, ``(batch,)``."""
    return (batch.mask.sum(-1) / 2 + _REFINEMENT_PAIRS * batch.refined).mean(-1)


def clips_refined(batch: Batch, ladder: Sequence[Rate]) -> int:
    """How many clips are refined, if only in part; they come first."""
    return int((batch.rate == ladder[-1].index).any(1).sum())


class ClosedLoop(nn.Module):
    """Refines those clips of a batch that are sent so; they come first."""

    def __init__(self, net: CodecNet) -> None:
        super().__init__()
        assert net.refinement is not None
        self.net, self.refinement = net, net.refinement
        self.ladder = net.config.codec.ladder

    def forward(
        self, batch: Batch, frames: Tensor, said: Predicted, pitch: Pitch
    ) -> tuple[Tensor, Losses]:
        """Refine what was decoded.

        Args:
            batch: as sent.
            frames: as decoded at the receiver, ``(batch, frames, 320)``.
            said: what led to it.
            pitch: the F0 that drives the pulses of some clips, of filters, the true F0 and the
                number of the first of them.

        Returns:
            Speech of all clips, ``(batch, frames - 1, 320)``, as late as ``frames``; and as
            ``bits_cost`` what the symbols' bits cost, a loss. For the log, by how much 40 levels
            were off (``band_db``), are off still as sent (``left_db``), and how many symbols of a
            window are not zero.
        """
        sent = batch.rate == self.ladder[-1].index
        rows = clips_refined(batch, self.ladder)
        got, lost = frames[:rows], batch.flags[:rows, :, -1] > 0
        with torch.no_grad():
            spoken = [
                self._at_sender(batch, row, said, pitch) if lost[row].any() else got[row]
                for row in range(rows)
            ]
            original = batch.pcm[:rows].reshape(got.shape)
            error, levels = self.refinement.errors(self.net.decoder, original, torch.stack(spoken))
            loudest = levels.amax(-1)
            active = loudest > loudest.amax(-1, keepdim=True) - _SILENCE_DB / _DECIBELS
            coarser = batch.step[:rows, None, None]
            symbols = self.refinement.symbols(error, coarser)
            coded = self.refinement.error(symbols, coarser)
            known = hold_gains(coded, sent[:rows] & ~lost, sent[:rows] & lost)
            told = {
                "band_db": _DECIBELS * error[active].square().mean().sqrt(),
                "left_db": _DECIBELS * (error - coded)[active].square().mean().sqrt(),
                "nonzero": (symbols[active] != 0).float().sum(-1).mean(),
            }
        error, _ = self.refinement.errors(self.net.decoder, original, got)
        bits = self.refinement.bits(error, coarser)
        counted = (active & sent[:rows] & ~lost).float()
        mean_bits = (bits * counted).sum() / (counted.sum() + 1e-8)
        told["bits_cost"] = _BIT_WEIGHT * rows / len(frames) * mean_bits
        better = self.refinement.refine(self.net.decoder, got, known)
        return torch.cat([better, frames[rows:, :-1]]), told

    def _at_sender(self, batch: Batch, row: int, said: Predicted, pitch: Pitch) -> Tensor:
        """What the sender decodes of a clip, ``(frames, 320)``."""
        decoder, rows = self.net.decoder, slice(row, row + 1)
        rate = batch.rate[rows]
        pairs = torch.tensor([rate.pairs for rate in self.ladder], device=rate.device)[rate]
        dims = torch.arange(batch.mask.shape[-1], device=rate.device)
        mask = (dims < 2 * pairs[..., None]).float()
        flags = nn.functional.one_hot(rate, batch.flags.shape[-1]).float()
        blocks = tuple(each[rows] for each in said.state.blocks)
        state = DecoderState(blocks, *(each[rows] for each in said.state[1:]))
        filters, _ = decoder.filters(said.points[rows] * mask, flags, blocks)
        f0 = pitch(filters, batch.f0[rows], row)
        pcm, _ = decoder.synthesize(filters, f0, state, blocks)
        frames: Tensor = pcm[0].view(-1, decoder.hop)
        return frames
