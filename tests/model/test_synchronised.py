"""Two decoders that began apart place their pulses alike after the next unvoiced frame."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import pytest

pytest.importorskip("torch", reason="the network is tested where torch is")

import torch
from torch import Tensor

from q2d2_stream.config import CodecConfig
from q2d2_stream.model import Decoder, ModelConfig, decoder

pytestmark = pytest.mark.train

REFINED = CodecConfig(levels=(9, 9) + (7, 7) * 5, rates=(2, 3, 4, 6), refined=True)
FRAMES = 40
Synchronised: TypeAlias = tuple[Decoder, Tensor, Tensor, Tensor]


@pytest.fixture
def synchronised(monkeypatch: pytest.MonkeyPatch) -> Synchronised:
    """A decoder, what it is given, and a threshold that some of the frames are below."""
    torch.manual_seed(3)
    made = Decoder(replace(ModelConfig(), decoder_dim=48, decoder_blocks=2, codec=REFINED))
    points = torch.rand(2, FRAMES, 12) * 2 - 1
    flags = torch.eye(6)[3].expand(2, FRAMES, -1)
    with torch.no_grad():
        filters, _ = made.filters(points, flags, made.initial_state(2).blocks)
    monkeypatch.setattr(decoder, "UNHEARD", float(filters.voicing.quantile(0.1)))
    return made, points, flags, filters.voicing < decoder.UNHEARD


@torch.no_grad()
def test_frame_by_frame_is_the_whole(synchronised: Synchronised) -> None:
    made, points, flags, unheard = synchronised
    assert unheard.any(1).all()
    whole, _ = made(points, flags, made.initial_state(2))
    state, parts = made.initial_state(2), []
    for t in range(FRAMES):
        part, state = made(points[:, t : t + 1], flags[:, t : t + 1], state)
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=2e-5, rtol=0)


@torch.no_grad()
def test_another_phase_is_forgotten_where_nobody_hears_the_pulses(
    synchronised: Synchronised,
) -> None:
    made, points, flags, unheard = synchronised
    begun = made.initial_state(2)
    a, _ = made(points, flags, begun)
    b, _ = made(points, flags, begun._replace(phase=torch.tensor([[0.4], [0.7]])))
    frames = (a - b).view(2, FRAMES, -1).abs().amax(-1)
    for row in range(2):
        first = int(unheard[row].nonzero()[0])
        assert float(frames[row, 1 : first + 1].max()) > 1e-3
        # the pulses of the frame itself are in two more windows
        assert float(frames[row, first + 3 :].max()) < 1e-5


@torch.no_grad()
def test_pitch_is_on_a_grid_that_sums_exactly(synchronised: Synchronised) -> None:
    made, *_ = synchronised
    f0 = made.pitch_to_f0(torch.randn(5, 30, 64) * 3)
    assert torch.equal(f0 * 8, torch.round(f0 * 8))
    assert 59.9 <= float(f0.min()) <= float(f0.max()) <= 500.1
    assert not Decoder(ModelConfig()).synchronised
