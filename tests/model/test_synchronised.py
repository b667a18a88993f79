"""Two decoders that began apart place their pulses alike after the next unvoiced frame."""

from __future__ import annotations

from typing import TypeAlias

import pytest

pytest.importorskip("torch", reason="the network is tested where torch is")

import torch
from torch import Tensor

from q2d2_stream.config import CodecConfig
from q2d2_stream.model import Decoder, ModelConfig, decoder
from q2d2_stream.model.decoder import Filters

pytestmark = pytest.mark.train

REFINED = CodecConfig(levels=(9, 9) + (7, 7) * 5, rates=(2, 3, 4, 6), refined=True)
FRAMES = 40
Synchronised: TypeAlias = tuple[Decoder, Tensor, Tensor, Tensor]


@pytest.fixture
def synchronised(monkeypatch: pytest.MonkeyPatch) -> Synchronised:
    """A decoder, what it is given, and a threshold that some of the frames are below."""
    torch.manual_seed(3)
    made = Decoder(ModelConfig(decoder_dim=48, decoder_blocks=2, codec=REFINED))
    points = torch.rand(2, FRAMES, 12) * 2 - 1
    flags = torch.eye(6)[4].expand(2, FRAMES, -1)
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
    made, points, flags, _ = synchronised
    filters, _ = made.filters(points, flags, made.initial_state(2).blocks)
    filters = filters._replace(pitch=torch.randn(2, FRAMES, 64) * 3)
    f0 = made.decoded_f0(filters)
    assert torch.equal(f0 * 8, torch.round(f0 * 8))
    assert 59.9 <= float(f0.min()) <= float(f0.max()) <= 500.1
    assert torch.equal(made.decoded_f0(_plain(filters)), made.exact_f0(filters.pitch))


@torch.no_grad()
def test_frames_without_refinement_are_as_they_were(
    synchronised: Synchronised, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither grid nor new phases: the sound of a network that has none of them."""
    made, points, *_ = synchronised
    flags = torch.eye(6)[2].expand(2, FRAMES, -1)
    state = made.initial_state(2)
    filters, blocks = made.filters(points, flags, state.blocks)
    monkeypatch.setattr(decoder, "UNHEARD", float(filters.voicing.quantile(0.1)))
    plain = _plain(filters)
    was, _ = made.synthesize(plain, made.decoded_f0(plain), state, blocks)
    now, _ = made(points, flags, state)
    assert torch.equal(was, now)
    refined, _ = made(points, torch.eye(6)[4].expand(2, FRAMES, -1), state)
    assert not torch.allclose(refined, now, atol=1e-2)


def _plain(filters: Filters) -> Filters:
    return filters._replace(refined=None)
