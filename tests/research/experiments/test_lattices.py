"""The comparison of lattices: equal bits, equal starts."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="training is tested where the extra [train] is")

import torch

from q2d2_stream.model import ModelConfig
from q2d2_stream.model.features import Analysis
from research.experiments import lattices

pytestmark = pytest.mark.train

SMALL = ModelConfig(encoder_dim=16, encoder_blocks=1, decoder_dim=16, decoder_blocks=1)


def test_bits_are_equal_at_every_rate() -> None:
    codecs = lattices.codecs()
    for rate in range(3):
        bits = [codec.ladder[rate].bits_per_frame for codec in codecs.values()]
        assert max(bits) - min(bits) < 0.1


def test_networks_differ_in_nothing_but_the_lattice() -> None:
    stages = lattices.new_stages(SMALL, seed=3)
    first, *others = [stage.state_dict() for stage in stages.values()]
    for other in others:
        assert first.keys() == other.keys()
        assert all(torch.equal(first[name], other[name]) for name in first)
    kinds = [stage.net.config.codec.lattice for stage in stages.values()]
    assert kinds == list(stages) == ["rhombic", "hexagonal", "rectangular"]


def test_shared_analysis_gives_every_network_the_features_of_its_own() -> None:
    stages = lattices.new_stages(SMALL, seed=0)
    own = Analysis(SMALL)
    for _ in range(2):  # the second batch is not answered with the first one's features
        pcm = torch.randn(2, 320 * 4)
        wanted, _ = own(pcm, own.initial_state(2))
        for stage in stages.values():
            analysis = stage.net.encoder.analysis
            assert torch.equal(analysis(pcm, analysis.initial_state(2))[0], wanted)


def test_grids_alone_rank_as_their_cells_and_edges_do() -> None:
    snr_db = {kind: lattices.grid_snr_db(c, None) for kind, c in lattices.codecs().items()}
    assert 0.1 < snr_db["hexagonal"] - snr_db["rhombic"] < 0.2
    assert 0.2 < snr_db["rhombic"] - snr_db["rectangular"] < 0.4


def test_tables_pair_the_seeds() -> None:
    rows = [
        lattices.Row(seed, kind, rate, 0.1 * seed + np.full(5, value), 10.0)
        for seed in range(3)
        for kind, value in (("rhombic", 1.0), ("hexagonal", 0.5), ("rectangular", 2.0))
        for rate in range(4)
    ]
    means, gaps = lattices.result_tables(rows).split("\n\n")
    assert "| hexagonal | 19.99 | 10.00 |" in means
    assert "| 0.6000 |" in means
    assert "| hexagonal | 3 | -0.5000 ± 0.0000" in gaps
    assert "| rectangular | 12 | +1.0000 ± 0.0000" in gaps
