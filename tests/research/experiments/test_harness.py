"""The small codec, its quantizers and its records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training is tested where the extra [train] is")

import torch

from research.experiments.box_lattices import KINDS, BoxLattice
from research.experiments.harness.arms import ARMS
from research.experiments.harness.codebooks import CodebookOptions, Codebooks
from research.experiments.harness.features import BANDS, DIMS, features_to_mel, pcm_to_features
from research.experiments.harness.quantizers import (
    BoxQuantizer,
    JoinedQuantizer,
    ResidualQuantizer,
)
from research.experiments.harness.results import Results, newest
from research.experiments.harness.runs import Runs, difference
from research.experiments.harness.training import Settings, train

pytestmark = pytest.mark.train

TINY = Settings(trunk_steps=2, steps=3, batch=4, frames=8, dim=8, blocks=1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_grid_of_training_is_that_of_numpy(kind: str) -> None:
    steps = (3, 4) if KINDS[kind].dims < 8 else (2, 3)
    lattices = [BoxLattice(kind, each, 0.9) for each in steps]
    quantizer = BoxQuantizer(lattices)
    latent = torch.randn(2, 50, quantizer.dims)
    made = quantizer(latent, torch.tensor([2, 2]))
    size = lattices[0].dims
    for place, lattice in enumerate(lattices):
        part = slice(place * size, (place + 1) * size)
        x = torch.tanh(latent[..., part]).double().reshape(-1, size).numpy()
        wanted = lattice.quantize(x)
        found = made.points[..., part].reshape(-1, size).numpy()
        # another point may be as near, to the precision of float32
        miss, least = (np.square(each - x).sum(-1) for each in (found, wanted))
        np.testing.assert_allclose(miss, least, atol=1e-5)
        assert int(made.indices[..., place].max()) < lattice.points


@pytest.mark.parametrize("kind", ["rhombic", "bcc", "fcc", "d4"])
def test_every_point_has_an_index_of_its_own(kind: str) -> None:
    lattice = BoxLattice(kind, 3)
    points = torch.from_numpy(lattice.all_points() * lattice.scale).float()
    found, index = BoxQuantizer([lattice]).nearest(points[:, None])
    assert torch.equal(found[:, 0], points)
    assert sorted(index[:, 0].tolist()) == list(range(lattice.points))


def test_what_is_not_sent_is_zero_and_gets_no_gradient() -> None:
    for name in ("rhombic", "residual FSQ", "VQ 2-D"):
        quantizer = ARMS[name]()
        latent = torch.randn(2, 5, quantizer.dims, requires_grad=True)
        made = quantizer(latent, torch.tensor([1, quantizer.groups]))
        made.points.sum().backward()
        assert latent.grad is not None
        assert not made.points[0, :, 2:].any()
        assert not latent.grad[0, :, 2:].any()
        assert latent.grad[0, :, :2].all()
        assert latent.grad[1].all()


def test_quantizers_side_by_side_do_what_each_does_alone() -> None:
    parts = [BoxQuantizer([BoxLattice("bcc", 4)]), BoxQuantizer([BoxLattice("rhombic", 5)] * 2)]
    joined = JoinedQuantizer(parts)
    assert (joined.dims, joined.groups) == (7, 3)
    latent = torch.randn(3, 20, 7)
    made = joined(latent, torch.tensor([0, 2, 3]))
    assert not made.points[0].any()
    assert not made.points[1, :, 5:].any()
    first = parts[0](latent[1:, :, :3], torch.tensor([1, 1]))
    second = parts[1](latent[2:, :, 3:], torch.tensor([2]))
    assert torch.equal(made.points[1:, :, :3], first.points)
    assert torch.equal(made.points[2:, :, 3:], second.points)
    assert torch.equal(made.indices[2:, :, 1:], second.indices)


def test_a_bounded_codebook_is_given_latents_within_one() -> None:
    torch.manual_seed(0)
    joined = JoinedQuantizer([Codebooks(CodebookOptions(2, 16, 2))], bounded=True)
    for _ in range(40):
        made = joined(5.0 * torch.randn(4, 50, 4), torch.full((4,), 2))
    assert float(made.points.abs().max()) <= 1.0


def test_newest_are_those_of_the_last_weights() -> None:
    records: list[dict[str, object]]
    records = [{"model_id": "a", "n": 1}, {"n": 2}, {"model_id": "b", "n": 3}]
    assert [r["n"] for r in newest(records)] == [2, 3]
    assert newest([]) == []


def test_the_second_stage_of_a_residual_grid_refines_the_first() -> None:
    quantizer = ResidualQuantizer(4, 9)
    latent = torch.randn(1, 200, 4)
    misses = [
        (quantizer(latent, torch.tensor([sent])).points - torch.tanh(latent)).square().mean(1)[0]
        for sent in (2, 3, 4)
    ]
    assert (misses[1][:2] < misses[0][:2] / 20).all()
    assert torch.equal(misses[1][2:], misses[0][2:])
    assert (misses[2] < misses[0] / 20).all()
    assert float(misses[2].max().sqrt()) < 1 / 64


@pytest.mark.parametrize("restarts", [False, True])
def test_restarts_bring_back_codes_that_nothing_chose(restarts: bool) -> None:
    torch.manual_seed(0)
    books = Codebooks(CodebookOptions(2, 32, 1, restarts=restarts, decay=0.8))
    books.begun.fill_(True)
    books.codes[:, 1:] += 100.0
    books.total.copy_(books.codes)
    for _ in range(60):
        used = books(torch.randn(4, 64, 2), torch.ones(4)).indices.unique()
    assert (len(used) > 24) == restarts


def test_codes_move_to_the_means_of_what_chose_them() -> None:
    torch.manual_seed(0)
    books = Codebooks(CodebookOptions(1, 2, 1, decay=0.8))
    for _ in range(60):
        side = torch.randint(0, 2, (4, 64, 1)) * 6.0
        books(side - 3.0 + 0.1 * torch.randn(4, 64, 1), torch.ones(4))
    np.testing.assert_allclose(sorted(books.codes.flatten().tolist()), [-3.0, 3.0], atol=0.05)


def test_the_rotation_trick_turns_the_gradient_with_the_code() -> None:
    books = Codebooks(CodebookOptions(2, 1, 1, rotation=True))
    books.codes[:] = torch.tensor([0.0, 2.0])
    books.eval()
    latent = torch.tensor([[[1.0, 0.0]]], requires_grad=True)
    made = books(latent, torch.ones(1))
    np.testing.assert_allclose(made.points.detach().numpy(), [[[0.0, 2.0]]], atol=1e-6)
    made.points[0, 0, 1].backward()  # along the code: along the latent, twice as long
    assert latent.grad is not None
    np.testing.assert_allclose(latent.grad.numpy(), [[[2.0, 0.0]]], atol=1e-5)


def test_numbers_of_groups_have_the_bits_asked_for() -> None:
    quantizer = ARMS["e8"]()
    sent = quantizer.draw_sent(np.full(4000, 40.0), np.random.default_rng(0))
    assert set(sent.tolist()) == {1, 2}
    assert np.mean([quantizer.bits[n - 1] for n in sent.tolist()]) == pytest.approx(40.0, abs=1.0)


def test_features_tell_level_pitch_and_voicing() -> None:
    tone = (0.25 * np.sin(2 * np.pi * 1000 * np.arange(24_000) / 24_000)).astype(np.float32)
    f0 = np.where(np.arange(76) < 40, 300.0, 0.0).astype(np.float32)
    found = torch.from_numpy(pcm_to_features(tone, f0)).float()
    assert found.shape == (75, DIMS)
    assert found[:, BANDS].tolist() == [1.0] * 75
    assert found[:, BANDS + 1].sum() == 40
    assert 0.125 < float(features_to_mel(found)[10].max()) < 0.25


def test_a_run_is_recorded_once_and_compared_at_equal_bits(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    speech = rng.normal(size=(1300, DIMS)).astype(np.float16)
    speech[:, BANDS + 1] = speech[:, 0] > 0

    class Noise(Runs):
        def speech(self) -> np.ndarray:
            return speech

        test_speech = speech

    results = Results(tmp_path / "few.jsonl")
    runs = Noise(results, data=tmp_path, cache=tmp_path, seeds=2, settings=TINY)
    records = runs.records(["rhombic", "e8"])
    assert [(r["arm"], r["seed"]) for r in records] == [
        ("rhombic", 0), ("e8", 0), ("rhombic", 1), ("e8", 1)
    ]  # fmt: skip
    assert len(difference(records, "e8", 50.0)) == 2
    assert difference(records, "rhombic", 20.0) == [0.0, 0.0]
    # nothing is left to do, so no speech is asked for
    assert Runs(results, seeds=2, settings=TINY).records(["rhombic", "e8"]) == records
    assert len(results.read()) == 4
    codec = runs.codec("rhombic", 1)
    again, _ = train(ARMS["rhombic"](), runs.trunk(1), speech, TINY, 1)
    for name, value in codec.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value)
    # weights that are lost are made again, the record stays
    for path in (tmp_path / "small_codecs").iterdir():
        path.unlink()
    assert torch.equal(runs.codec("rhombic", 1).encoder_out.weight, codec.encoder_out.weight)
    assert len(results.read()) == 4
