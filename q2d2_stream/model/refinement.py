"""The closed-loop refinement (:mod:`q2d2_stream.refinement`) in torch, of whole clips: what a
network is trained with. Bins are in the decoder's order."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from q2d2_stream.config import REFINEMENT_LEVELS
from q2d2_stream.model.decoder import Decoder
from q2d2_stream.model.transform import bin_order
from q2d2_stream.refinement.bands import BANDS, FLOOR, LIMIT, band_bank
from q2d2_stream.refinement.code import DEAD, SYMBOL_ZERO, SYMBOLS, RefinementCode
from q2d2_stream.refinement.windows import HELD_FRAMES, HELD_SHARE, SMOOTHED_BINS

__all__ = ["Refinement", "hold_gains"]

_REACH = SYMBOLS - 1 - SYMBOL_ZERO  # of a symbol
_TINY = 1e-12


class Refinement(nn.Module):
    """Errors of levels, their symbols, and the gains that mend them. No gradient goes through the
    symbols, and nothing here is trained: the statistics are gathered.

    Attributes:
        mean: of the errors, ``(40,)``, nepers.
        basis: their Karhunen-Loeve transform, columns in falling order of variance, ``(40, 40)``.
        step: of the uniform quantizer behind it, nepers.
        unit: nepers to a grid unit of the fixed form, ``(18,)``.
        sharpening: of the refined spectrum. Training uses neither of these two.
        smooth: the mean over neighbouring bins, a matrix.
    """

    bank: Tensor
    share: Tensor
    floor: Tensor
    smooth: Tensor
    slope: Tensor

    def __init__(self, sample_rate: int, hop: int) -> None:
        super().__init__()
        bank = band_bank(2 * hop, sample_rate)
        order = bin_order(2 * hop)
        tables = {
            "bank": torch.from_numpy(bank.T).float()[order],
            "share": torch.from_numpy(bank).float()[:, order],
            "slope": nn.functional.normalize(torch.arange(2.0 * hop) - (hop - 0.5), dim=0),
            "smooth": _smoothing(hop + 1)[order][:, order].float(),
            "floor": torch.from_numpy(FLOOR**2 * BANDS * bank.sum(1)).float(),
        }
        for name, table in tables.items():
            self.register_buffer(name, table.contiguous(), persistent=False)
        still = {"requires_grad": False}
        self.mean = nn.Parameter(torch.zeros(BANDS), **still)
        self.basis = nn.Parameter(torch.eye(BANDS), **still)
        self.step = nn.Parameter(torch.tensor(0.7), **still)
        self.unit = nn.Parameter(torch.ones(len(REFINEMENT_LEVELS)), **still)
        self.sharpening = nn.Parameter(torch.tensor(0.0), **still)

    def code(self) -> RefinementCode:
        """The same in numpy."""
        mean, basis, unit = (each.detach().numpy() for each in (self.mean, self.basis, self.unit))
        return RefinementCode(mean, basis, float(self.step), unit, float(self.sharpening))

    @torch.no_grad()
    def load_code(self, code: RefinementCode) -> None:
        """Take over what a model file says."""
        for name in ("mean", "basis", "step", "unit", "sharpening"):
            getattr(self, name).copy_(torch.as_tensor(getattr(code, name)))

    def levels(self, spectrum: tuple[Tensor, Tensor]) -> Tensor:
        """Real and imaginary parts ``(..., bins)`` -> log levels ``(..., 40)``, nepers."""
        re, im = spectrum
        levels: Tensor = 0.5 * torch.log((re * re + im * im) @ self.bank + self.floor)
        return levels

    def symbols(self, error: Tensor, coarser: Tensor | float = 1.0) -> Tensor:
        """Errors ``(..., 40)`` in nepers -> integers, with a step ``coarser`` times as large."""
        part = ((error - self.mean) @ self.basis) / (self.step * coarser)
        return torch.sign(part) * torch.floor(part.abs() + DEAD).clamp(max=_REACH)

    def error(self, symbols: Tensor, coarser: Tensor | float = 1.0) -> Tensor:
        """Inverse of :meth:`symbols`, as far as there is one."""
        error: Tensor = (symbols * (self.step * coarser)) @ self.basis.T + self.mean
        return error

    def bits(self, error: Tensor, coarser: Tensor | float = 1.0) -> Tensor:
        """About what the symbols of errors ``(..., 40)`` take, ``(...)``, with a gradient."""
        part = ((error - self.mean) @ self.basis) / (self.step * coarser)
        return 2.0 * torch.log2(1.0 + part.abs()).sum(-1)

    def gains(self, error: Tensor) -> Tensor:
        """Errors ``(..., 40)`` -> factors of the spectrum ``(..., bins)``."""
        factors: Tensor = torch.exp(error.clamp(-LIMIT, LIMIT) @ self.share)
        return factors

    def errors(self, decoder: Decoder, original: Tensor, decoded: Tensor) -> tuple[Tensor, Tensor]:
        """What the sender finds.

        Args:
            decoder: knows the windows.
            original: frames as they were encoded, ``(batch, frames, 320)``.
            decoded: what the decoder makes of them, one frame behind.

        Returns:
            The log errors of all windows, nepers, and the original's levels there, both
            ``(batch, frames, 40)``.
        """
        late = torch.cat([torch.zeros_like(original[:, :1]), original[:, :-1]], 1)
        wanted, got = (self.levels(self._spectrum(decoder, each)) for each in (late, decoded))
        return wanted - got, wanted

    def _spectrum(self, decoder: Decoder, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Of all windows of frames ``(batch, frames, 320)``, less the line that fits each best."""
        earlier = torch.cat([torch.zeros_like(frames[:, :1]), frames[:, :-1]], dim=1)
        windows = torch.cat([earlier, frames], dim=-1)
        level = windows - windows.mean(-1, keepdim=True)
        flat = level - self.slope * (level @ self.slope)[..., None]
        re, im = decoder.dft(flat * decoder.window)
        return re, im

    def refine(
        self, decoder: Decoder, frames: Tensor, error: Tensor, sharpened: bool = False
    ) -> Tensor:
        """Decoded speech ``(batch, frames, 320)`` and the errors of its windows ``(batch, frames,
        40)`` -> refined speech ``(batch, frames - 1, 320)``, one frame behind."""
        re, im = decoder.spectrum(frames, torch.zeros_like(frames[:, 0]))
        factor = self.gains(error)
        re, im = re * factor, im * factor
        if sharpened:
            log = 0.5 * torch.log(re * re + im * im + _TINY)
            factor = torch.exp(self.sharpening * (log - log @ self.smooth.T))
            re, im = re * factor, im * factor
        windows = decoder.inverse(re, im) * decoder.window
        first, second = windows[..., : decoder.hop], windows[..., decoder.hop :]
        refined: Tensor = second[:, :-1] + first[:, 1:]
        return refined


def _smoothing(bins: int) -> Tensor:
    """Rows that average over :data:`SMOOTHED_BINS` bins in their natural order, edges repeated."""
    window = torch.arange(SMOOTHED_BINS) - SMOOTHED_BINS // 2
    neighbours = (torch.arange(bins)[:, None] + window).clamp(0, bins - 1)
    smooth = torch.zeros(bins, bins, dtype=torch.float64)
    return smooth.scatter_add_(
        1, neighbours, torch.full(neighbours.shape, 1 / SMOOTHED_BINS).double()
    )


def hold_gains(error: Tensor, arrived: Tensor, lost: Tensor) -> Tensor:
    """Errors as the receiver has them.

    Args:
        error: as sent, ``(batch, frames, 40)``.
        arrived: which of them arrived, ``(batch, frames)``.
        lost: which were sent and are lost; they have a falling share of the last that arrived.

    Where neither is true there is no refinement.
    """
    last, left = torch.zeros_like(error[:, 0]), torch.zeros_like(error[:, 0, :1])
    known = []
    for now, here, gone in zip(error.unbind(1), arrived.unbind(1), lost.unbind(1), strict=True):
        held = torch.where(gone[:, None] & (left > 0), HELD_SHARE * last, 0.0)
        last = torch.where(here[:, None], now, held)
        left = torch.where(here[:, None], float(HELD_FRAMES), left - 1)
        known.append(last)
    return torch.stack(known, 1)
