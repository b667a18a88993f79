"""Noise shaping: what rounding takes from a frame, the next frames give back.

Latents change slowly, and the decoder remembers: errors that alternate cancel in what is heard,
errors that stay do not. So a part of the error of the last frames is added to a latent before it is
quantized to its grid (error feedback, as in noise-shaping converters: Spang and Schultheiss, IRE
Trans. CS-10, 1962). Only the sender does this; the bitstream and every decoder stay as they are.

    latent --(+)--- clamp ---+--- nearest point ---+--> index
              |              |                     |
              +-- feedback --+<----- error = target - point
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from q2d2_stream.errors import InputError, ModelError
from q2d2_stream.lattice import Lattice

__all__ = ["LAGS", "NoiseShaper"]

LAGS = 2
"""Frames whose errors are heard of."""


class NoiseShaper:
    """Latents to indices, frame by frame, with a memory of the last errors.

    Each latent dimension hears of its own errors alone, so the first pairs do not depend on how
    many are sent. Sums are of float32 products, exact in float64, so that every machine and
    ``q2d2_quantize`` of ``include/q2d2_wire.h`` find the same indices.
    """

    def __init__(self, lattice: Lattice, feedback: ArrayLike | None = None) -> None:
        """
        Args:
            lattice: the grids of all pairs, D dimensions.
            feedback: share of the errors, one frame before and two, ``(LAGS, D)``. None for none:
                every latent is quantized by itself.

        Raises ModelError for another shape, or what is not finite.
        """
        self._lattice = lattice
        self._highest = lattice.scale.astype(np.float32)
        self._lowest = -self._highest
        self._errors = np.zeros((LAGS, len(lattice.levels)))
        try:
            given = self._errors if feedback is None else feedback
            self._feedback = np.array(given, np.float32).astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ModelError(f"the model's feedback is no array of numbers ({error})") from error
        if self._feedback.shape != self._errors.shape or not np.isfinite(self._feedback).all():
            raise ModelError(
                f"the model's feedback has shape {self._feedback.shape}, expected finite numbers "
                f"of shape {self._errors.shape}: export it again with this version of q2d2-stream"
            )

    def reset(self) -> None:
        """Forget the past: the next frame is the first of a stream."""
        self._errors = np.zeros_like(self._errors)

    def quantize(self, latent: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The next frame's indices.

        Args:
            latent: of all pairs, grid units, ``(D,)``.

        Returns:
            Indices, uint8 ``(D / 2,)``.

        Raises InputError for a latent that is not finite; the frame then counts for nothing.
        """
        target = np.add.reduce(self._errors * self._feedback)
        target += latent
        shaped = target.astype(np.float32)
        if not math.isfinite(np.add.reduce(shaped)):
            raise InputError("the latent holds NaN, infinite or huge numbers, expected finite ones")
        np.minimum(shaped, self._highest, out=shaped)
        np.maximum(shaped, self._lowest, out=shaped)
        indices, points = self._lattice.quantize(shaped)
        self._errors[1:] = self._errors[:-1]
        np.subtract(shaped, points, out=self._errors[0])
        return indices
