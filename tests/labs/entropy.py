"""Tables and indices for tests of entropy coding; nothing here depends on trained weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.config import CodecConfig
from q2d2_stream.entropy import IndexCoder, Mode, RefinementTables, Tables
from q2d2_stream.entropy.coder import TOTAL
from q2d2_stream.entropy.coordinates import Coordinates
from q2d2_stream.entropy.tables import HISTORY
from q2d2_stream.lattice import Lattice
from q2d2_stream.refinement import BANDS, STEPS, SYMBOL_ZERO, SYMBOLS

__all__ = [
    "CONFIGS",
    "HASH",
    "REFINED",
    "coder",
    "random_indices",
    "random_tables",
    "refinement_tables",
    "smooth_indices",
]

HASH = bytes(range(8))
CONFIGS = {
    "rhombic": CodecConfig(),
    "hexagonal": CodecConfig(lattice="hexagonal", levels=(9, 8, 5, 2, 2, 3, 7, 7), rates=(1, 2, 4)),
    "rectangular": CodecConfig(lattice="rectangular", levels=(16, 16, 2, 5, 3, 4), rates=(2, 3)),
    "not all pairs sent": CodecConfig(levels=(5, 3) * 4, rates=(1, 3)),
}
REFINED = CodecConfig(levels=(9, 9) + (7, 7) * 5, rates=(2, 3, 4, 6), refined=True)


def random_tables(config: CodecConfig, seed: int = 0) -> Tables:
    """Legal tables of random weights, that reach their limits, and random slots."""
    random = np.random.default_rng(seed)
    coordinates = Coordinates(config)
    dims = 2 * coordinates.pairs
    largest = int(random.choice([300, 3000, 32767]))

    def slots(bins: int, symbols: int) -> NDArray[np.uint16]:
        share = random.dirichlet(np.full(symbols, 0.2), bins)
        table = 1 + np.floor((TOTAL - symbols) * share).astype(np.int64)
        table[:, -1] += TOTAL - table.sum(axis=1)
        return table.astype(np.uint16)

    def mode(history: int) -> Mode:
        before = random.integers(-largest, largest, (dims, history, dims), endpoint=True)
        within = random.integers(-largest, largest, (dims, dims), endpoint=True)
        sizes = [
            slots(2 * coordinates.highest[2 * pair + (place > 0)] + 1, symbols)
            for pair, alphabets in enumerate(coordinates.symbols)
            for place, symbols in enumerate(alphabets)
        ]
        return Mode(
            before.astype(np.int16),
            np.tril(within, -1).astype(np.int16),
            random.integers(-(1 << 30), 1 << 30, dims).astype(np.int32),
            tuple(sizes),
            np.full(len(config.ladder), 100, np.uint16),
        )

    refinement = refinement_tables() if config.refined else None
    return Tables(HASH, tuple(mode(history) for history in range(HISTORY + 1)), refinement)


def refinement_tables() -> RefinementTables:
    """Zero is likely, the more so the later a component and the larger the step."""
    away = np.abs(np.arange(SYMBOLS) - SYMBOL_ZERO)
    rates = np.outer(STEPS, np.linspace(0.4, 1.2, BANDS)).reshape(-1, 1)
    share = np.exp(-rates * away)
    share /= share.sum(1, keepdims=True)
    sizes = 1 + np.floor((TOTAL - SYMBOLS) * share).astype(np.int64)
    sizes[:, SYMBOL_ZERO] += TOTAL - sizes.sum(1)
    steps = np.array([[TOTAL - 300, 100, 100, 100]], np.uint16)
    return RefinementTables(steps, sizes.astype(np.uint16))


def random_indices(config: CodecConfig, rate: int, frames: int, seed: int = 0) -> NDArray[np.uint8]:
    """Every index as likely as any other: nothing to be saved. Refinement in its fixed form."""
    codes = config.ladder[rate].codebook_sizes
    random = np.random.default_rng(seed)
    return random.integers(0, codes, (frames, len(codes))).astype(np.uint8)


def smooth_indices(config: CodecConfig, frames: int, seed: int = 0) -> NDArray[np.uint8]:
    """Latents that wander slowly, at the highest rate: much to be saved."""
    random = np.random.default_rng(seed)
    steps = random.normal(0.0, 0.3, (frames, 2 * config.rates[-1]))
    latents = np.zeros_like(steps)
    for n in range(1, frames):
        latents[n] = 0.95 * latents[n - 1] + steps[n]
    return Lattice.of(config).nearest(latents)


def coder(config: CodecConfig | None = None) -> IndexCoder:
    """Fitted to :func:`smooth_indices`."""
    from export.entropy import fit

    config = config or CodecConfig()
    clips = [smooth_indices(config, 400, seed) for seed in range(4)]
    tables = fit(clips, config, HASH)
    if config.refined:
        tables = replace(tables, refinement=refinement_tables())
    return IndexCoder(config, tables)
