"""The refinement's closed loop in a training step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="training is tested where the extra [train] is")

import soundfile
import torch
from torch import Tensor

from q2d2_stream.config import CodecConfig
from q2d2_stream.errors import InputError, ModelError
from q2d2_stream.model import ModelConfig
from q2d2_stream.model.net import CodecNet
from research.train.batches import Batch, draw_flags
from research.train.checkpoint import Average, Progress, load_net, save_checkpoint
from research.train.corpus import open_corpus
from research.train.held import HeldAdversarialStage, HeldWaveStage
from research.train.refinement_statistics import entropy_bits, gather_errors, sent_symbols
from research.train.refinement_statistics import main as statistics_main
from research.train.regrade import regraded
from research.train.stages import AdversarialStage, WaveStage

pytestmark = pytest.mark.train

REFINED = CodecConfig(levels=(9, 9) + (7, 7) * 5, rates=(2, 3, 4, 6), refined=True)
SMALL = replace(
    ModelConfig(), encoder_dim=48, encoder_blocks=2, decoder_dim=48, decoder_blocks=2, codec=REFINED
)
FRAMES = 60


def a_batch(speech: NDArray[np.float32], clips: int = 4, seed: int = 0) -> Batch:
    rng = np.random.default_rng(seed)
    pcm = torch.from_numpy(speech[: clips * FRAMES * 320].reshape(clips, -1))
    f0, voiced = torch.full((clips, FRAMES), 140.0), torch.ones(clips, FRAMES)
    return Batch(pcm, f0, voiced, *draw_flags(REFINED, clips, FRAMES, rng))


def test_a_quarter_of_the_clips_is_refined_and_they_come_first() -> None:
    sending = draw_flags(REFINED, 200, 100, np.random.default_rng(0))
    refined = sending.rate == 4
    assert refined[:50].any(1).all()
    assert not refined[50:].any()
    assert torch.equal(sending.refined, sending.flags[..., 4])
    lost = sending.flags[..., -1]
    assert 0.02 < float(lost[:50].mean()) < 0.10
    assert torch.equal(sending.mask.sum(-1)[lost > 0], torch.zeros(int(lost.sum())))
    assert torch.equal(sending.flags.argmax(-1)[lost == 0], sending.rate[lost == 0])
    assert 1.0 <= sending.step.min() < 1.01 < 1.5 < sending.step.max() <= 2.0


@pytest.mark.parametrize("kind", [WaveStage, AdversarialStage])
def test_a_step_reaches_the_network_and_not_the_statistics(
    speech: NDArray[np.float32], kind: type[WaveStage]
) -> None:
    torch.manual_seed(0)
    stage = kind(CodecNet(SMALL), train_encoder=True)
    if isinstance(stage, AdversarialStage):
        stage.steps.fill_(stage.alone_steps + stage.ramp_steps)
        stage.prepare()
    losses = stage.backward(a_batch(speech), np.random.default_rng(0))
    assert all(torch.isfinite(each) for each in losses.values())
    assert float(losses["left_db"]) < float(losses["band_db"])
    moved = {name for name, p in stage.net.named_parameters() if p.grad is not None}
    assert {"encoder.project_in.weight", "decoder.head.weight"} <= moved
    assert not any(name.startswith("refinement.") for name in moved)


def test_refinement_brings_levels_nearer_though_frames_are_lost(
    speech: NDArray[np.float32],
) -> None:
    torch.manual_seed(0)
    net = CodecNet(SMALL)
    stage = WaveStage(net)
    batch = a_batch(speech)
    flags, mask = batch.flags.clone(), batch.mask.clone()
    flags[0, 20:23] = torch.eye(6)[5]
    mask[0, 20:23] = 0.0
    batch = batch._replace(flags=flags, mask=mask, rate=torch.full_like(batch.rate, 4))
    assert stage.closed_loop is not None
    assert net.refinement is not None
    refinement = net.refinement
    with torch.no_grad():
        said = stage.predict(batch)
        pcm, _ = net.decoder.synthesize(said.filters, batch.f0, said.state, said.state.blocks)
        frames = pcm.reshape(4, FRAMES, 320)
        better, _ = stage.closed_loop(batch, frames, said, stage.pitch)

        def error(decoded: Tensor) -> float:
            both = batch.pcm.reshape(4, FRAMES, 320)[:, : decoded.shape[1] - 1], decoded[:, 1:]
            levels = [
                refinement.levels(net.decoder.spectrum(x, torch.zeros_like(x[:, 0]))) for x in both
            ]
            return float((levels[0] - levels[1])[:, 2:].square().mean())

        assert error(better) < 0.5 * error(frames[:, :-1])


def test_six_pairs_of_an_older_network_stay_as_they_were(speech: NDArray[np.float32]) -> None:
    torch.manual_seed(0)
    old = CodecNet(replace(SMALL, codec=CodecConfig()))
    new = regraded(old, REFINED.rates)
    assert new.config.codec == REFINED
    pcm = torch.from_numpy(speech[: FRAMES * 320])[None]
    with torch.no_grad():
        was, _ = old.encode(pcm)
        now, _ = new.encode(pcm)
        assert torch.equal(was[..., :12], now)
        for old_rate, new_rate in ((2, 3), (2, 4), (1, 2), (0, 1)):
            sent = 2 * new.config.codec.ladder[new_rate].pairs
            mask = torch.arange(24) < sent
            flags = [
                torch.eye(n)[rate].expand(1, FRAMES, -1)
                for n, rate in ((5, old_rate), (6, new_rate))
            ]
            points = was * mask, now * mask[:12]
            states = old.decoder.initial_state(), new.decoder.initial_state()
            if new.config.codec.ladder[new_rate].refined:  # its pulses fall elsewhere
                blocks = [state.blocks for state in states]
                a = old.decoder.filters(points[0], flags[0], blocks[0])[0].harmonic
                b = new.decoder.filters(points[1], flags[1], blocks[1])[0].harmonic
            else:
                a, _ = old.decoder(points[0], flags[0], states[0])
                b, _ = new.decoder(points[1], flags[1], states[1])
            assert torch.allclose(a, b, atol=1e-5)


def test_bits_are_a_loss_that_brings_levels_back(speech: NDArray[np.float32]) -> None:
    """Gains hide from the other losses that the decoder's own levels are off."""
    torch.manual_seed(0)
    net = CodecNet(SMALL)
    stage = WaveStage(net)
    batch = a_batch(speech)
    rate = {}
    for shift in (0.0, 0.5, 1.0):
        with torch.no_grad():
            said = stage.predict(batch)
            filters = said.filters._replace(harmonic=said.filters.harmonic + shift)
            filters = filters._replace(noise=said.filters.noise + shift)
        level = torch.zeros((), requires_grad=True)
        raised = filters._replace(harmonic=filters.harmonic + level, noise=filters.noise + level)
        pcm, _ = net.decoder.synthesize(raised, batch.f0, said.state, said.state.blocks)
        assert stage.closed_loop is not None
        _, told = stage.closed_loop(batch, pcm.reshape(4, FRAMES, 320), said, stage.pitch)
        (gradient,) = torch.autograd.grad(told["bits_cost"], level)
        rate[shift] = float(told["bits_cost"].detach()), float(gradient)
    # an untrained network is too loud: louder costs more, and the gradient says so
    assert rate[0.0][0] < rate[0.5][0] < rate[1.0][0]
    assert all(gradient > 0 for _, gradient in rate.values())


def test_statistics_are_gathered_and_kept(
    tmp_path: Path, speech: NDArray[np.float32], capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    data = tmp_path / "data"
    data.mkdir()
    soundfile.write(data / "a.wav", speech, 24_000)
    net = CodecNet(SMALL)
    save_checkpoint(tmp_path / "a.pt", net, Average(net), {}, {}, Progress(stage=1))
    command = [str(tmp_path / "a.pt"), str(tmp_path / "b.pt"), "--data", str(data)]
    options = ["--cache", str(tmp_path / "cache"), "--minutes", "1", "--bits", "40"]
    assert statistics_main([*command, *options, "--sharpening", "0.125"]) == 0
    assert "40.0 bits" in capsys.readouterr().out
    found = load_net(tmp_path / "b.pt").refinement
    assert found is not None
    code = found.code()
    np.testing.assert_allclose(code.basis.T @ code.basis, np.eye(40), atol=1e-3)
    assert code.sharpening == 0.125
    errors = gather_errors(net, open_corpus(data, tmp_path / "cache"), 0.5, seed=1)
    assert entropy_bits(sent_symbols(code, errors)) == pytest.approx(40, abs=6)
    missed = code.indices_to_error(code.indices(errors)) - errors
    assert np.square(missed).mean() < 0.7 * np.square(errors - errors.mean(0)).mean()


def test_statistics_of_a_network_without_refinement_are_refused(
    tmp_path: Path, speech: NDArray[np.float32]
) -> None:
    soundfile.write(tmp_path / "a.wav", speech, 24_000)
    net = CodecNet(replace(SMALL, codec=CodecConfig()))
    with pytest.raises(InputError, match="has no refinement"):
        gather_errors(net, open_corpus(tmp_path, tmp_path / "cache"), 0.1)


@pytest.mark.parametrize("kind", [HeldWaveStage, HeldAdversarialStage])
def test_only_the_refined_rate_learns(
    speech: NDArray[np.float32], kind: type[HeldWaveStage | HeldAdversarialStage]
) -> None:
    torch.manual_seed(0)
    net = CodecNet(SMALL)
    stage = kind(net)
    stage.begin()
    if isinstance(stage, HeldAdversarialStage):
        stage.steps.fill_(stage.alone_steps + stage.ramp_steps)
        stage.prepare()
    batch = a_batch(speech)
    plain = Batch(*(each[1:] for each in batch))
    losses = stage.backward(batch, np.random.default_rng(0))
    gradients = [p.grad for p in net.decoder.parameters() if p.grad is not None]
    assert any(bool(each.abs().max() > 0) for each in gradients)
    assert not any(p.grad is not None for p in stage.teacher.parameters())
    assert not any(p.grad is not None for p in net.encoder.parameters())
    was = float(losses["held"].detach())
    with torch.no_grad():
        for p in net.decoder.parameters():
            p.add_(torch.randn_like(p), alpha=0.02)
        away = float(stage.held(plain))
    assert away > was + 0.05
    optimizer = torch.optim.Adam(net.decoder.parameters(), 2e-3)
    for _ in range(20):
        optimizer.zero_grad()
        stage.held(plain).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        assert float(stage.held(plain)) < 0.7 * away


def test_while_a_discriminator_learns_alone_the_decoder_rests(speech: NDArray[np.float32]) -> None:
    stage = HeldAdversarialStage(CodecNet(SMALL))
    stage.begin()
    assert stage.prepare() == "alone"
    losses = stage.backward(a_batch(speech), np.random.default_rng(0))
    assert "held" not in losses
    assert all(p.grad is None for p in stage.net.decoder.parameters())


def test_without_a_refined_rate_there_is_nothing_to_train() -> None:
    with pytest.raises(ModelError, match="no rate with refinement"):
        HeldWaveStage(CodecNet(replace(SMALL, codec=CodecConfig())))
