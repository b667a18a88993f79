"""Errors of levels as numbers that are sent, in two forms.

*Coded*: the Karhunen-Loeve transform of the error, every component divided by one step and rounded,
for entropy coding. A frame tells its step, so that a sender can keep to a budget.

*Fixed*: the 18 components that vary most, two by two on rhombic grids, always as many bits: for
peers without entropy tables.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.config import REFINEMENT_LEVELS, REFINEMENT_SIZES
from q2d2_stream.errors import ModelError
from q2d2_stream.lattice import Lattice
from q2d2_stream.refinement.bands import BANDS

__all__ = ["BIT_WORTH", "STEPS", "SYMBOLS", "SYMBOL_ZERO", "RefinementCode"]

STEPS = (1.0, 1.3, 1.7, 2.2)
"""What a frame may multiply the step by."""

SYMBOLS = REFINEMENT_SIZES[-1]
"""Values of a component's symbol."""

SYMBOL_ZERO = 30
"""The symbol of no error."""

DEAD = 0.4
"""Share of the step below a multiple of it from which on a component is rounded up to it."""

BIT_WORTH = 0.215
"""Squared steps of error that a bit may save."""

_FIXED = len(REFINEMENT_LEVELS)
REACH = SYMBOLS - 1 - SYMBOL_ZERO

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class RefinementCode:
    """The statistics of a model's errors, and the numbers that they make of an error.

    Attributes:
        mean: of the errors, ``(40,)``, nepers.
        basis: their Karhunen-Loeve transform, orthonormal columns in falling order of variance,
            ``(40, 40)``.
        step: of the coded form, nepers.
        unit: nepers to a grid unit of the fixed form's components, ``(18,)``.
        sharpening: by how much the refined spectrum is sharpened (:class:`Refiner`), 0 for not.
    """

    mean: Array
    basis: Array
    step: float
    unit: Array
    sharpening: float = 0.0

    def symbols(
        self, error: Array, step: int = 0, bits: NDArray[np.float64] | None = None
    ) -> NDArray[np.uint8]:
        """Errors as symbols of the coded form.

        Args:
            error: ``(..., 40)``, nepers.
            step: number of the step.
            bits: what each symbol of each component takes, ``(40, 61)``: of the two symbols beside
                a component and zero, that with the least squared error and :data:`BIT_WORTH` for
                each bit is taken (Chou, Lookabaugh and Gray, "Entropy-constrained vector
                quantization", 1989). Without it the nearest, or near zero the smaller one.

        Returns:
            uint8 ``(..., 40)``, :data:`SYMBOL_ZERO` for none.
        """
        part = (error - self.mean) @ self.basis / np.float32(self.step * STEPS[step])
        if bits is not None:
            return _cheapest(np.asarray(part, np.float32), bits)
        rounded = np.sign(part) * np.floor(np.abs(part) + np.float32(DEAD))
        signed: NDArray[np.int8] = np.clip(rounded, -REACH, REACH).astype(np.int8)
        return (signed + SYMBOL_ZERO).astype(np.uint8)

    def symbols_to_error(self, symbols: NDArray[np.uint8], step: int = 0) -> Array:
        """Symbols ``(..., 40)`` -> the error as it arrives, nepers."""
        error: Array = np.subtract(symbols, SYMBOL_ZERO, dtype=np.float32) @ self._from_steps[step]
        error += self.mean
        return error

    @cached_property
    def _from_steps(self) -> list[Array]:
        """Of every step, the matrix ``(40, 40)`` from components in steps to errors."""
        return [np.ascontiguousarray(self.basis.T) * np.float32(self.step * s) for s in STEPS]

    @cached_property
    def _lattice(self) -> Lattice:
        return Lattice("rhombic", REFINEMENT_LEVELS)

    def indices(self, error: Array) -> NDArray[np.uint8]:
        """Errors ``(..., 40)`` in nepers -> the fixed form's indices ``(..., 9)``."""
        part = (error - self.mean) @ self.basis[:, :_FIXED] / self.unit
        return self._lattice.nearest(part)

    def indices_to_error(self, indices: NDArray[np.uint8]) -> Array:
        """Indices ``(..., 9)`` -> the error as it arrives, nepers."""
        part = self._lattice.point(indices) * self.unit
        return np.asarray(part @ self.basis[:, :_FIXED].T + self.mean, np.float32)

    def to_json(self) -> str:
        """As stored in model metadata: arrays in float16, base64."""
        fields = {name: _packed(getattr(self, name)) for name in ("mean", "basis", "unit")}
        numbers = {"step": self.step, "sharpening": self.sharpening}
        return json.dumps({**fields, **numbers}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> RefinementCode:
        """Inverse of :meth:`to_json`; raises ModelError on anything else."""
        try:
            fields = json.loads(text)
            mean, unit = (_unpacked(fields[name]) for name in ("mean", "unit"))
            basis = _unpacked(fields["basis"]).reshape(BANDS, BANDS)
            step, sharpening = float(fields["step"]), float(fields["sharpening"])
            whole = mean.shape == (BANDS,) and unit.shape == (_FIXED,)
            sane = all(np.isfinite(each).all() for each in (mean, unit, basis))
            sane = sane and step > 0 and 0 <= sharpening <= 1 and bool((unit > 0).all())
            if not (whole and sane):
                raise ValueError("numbers are missing or out of range")
        except (ValueError, TypeError, KeyError) as error:
            raise ModelError(
                f"the model's refinement statistics are damaged ({error}): export it again"
            ) from error
        return cls(mean, basis, step, unit, sharpening)


def _cheapest(part: Array, bits: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Of three symbols for each component ``(..., 40)`` of errors in steps the cheapest."""
    below = np.clip(np.floor(part), -REACH, REACH - 1)
    tried = np.stack([np.zeros_like(below), below, below + 1])
    symbols = (tried + SYMBOL_ZERO).astype(np.uint8)
    cost = np.square(part - tried) + BIT_WORTH * bits[np.arange(BANDS), symbols]
    cheapest: NDArray[np.uint8] = np.choose(cost.argmin(0), symbols)
    return cheapest


def _packed(array: Array) -> str:
    return base64.b64encode(np.ascontiguousarray(array, "<f2").tobytes()).decode()


def _unpacked(text: str) -> Array:
    return np.frombuffer(base64.b64decode(text, validate=True), "<f2").astype(np.float32)
