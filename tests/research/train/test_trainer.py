"""Training on a folder of two short sources, in a minute of one core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

pytest.importorskip("torch", reason="training is tested where the extra [train] is")
pytest.importorskip("pyworld", reason="training is tested where the extra [train] is")

import torch
from torch import Tensor

from q2d2_stream.analysis_by_synthesis.losses import MelSpectrum, pitch_loss
from q2d2_stream.config import CodecConfig
from q2d2_stream.errors import InputError, ModelError, Q2D2Error
from q2d2_stream.model import ModelConfig
from q2d2_stream.model.discriminator import (
    Discriminator,
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
    phase_turns,
)
from q2d2_stream.model.net import CodecNet
from q2d2_stream.model.transform import bin_order
from research.train.__main__ import main as train_main
from research.train.batches import (
    augment,
    draw_clips,
    draw_flags,
    fill_unvoiced,
)
from research.train.checkpoint import (
    Average,
    Progress,
    load_net,
    read_checkpoint,
    save_checkpoint,
)
from research.train.corpus import Corpus, Source, open_corpus, voice_pitch
from research.train.cuda_graph import CudaGraphCapture
from research.train.feed import Feed, feed
from research.train.log import TrainLog
from research.train.muon import Muon, orthogonalise
from research.train.optimizers import clip_gradients, learning_rate
from research.train.options import TrainOptions
from research.train.post_filter import sharpen_harmonics
from research.train.processes import launch
from research.train.stages import AdversarialStage, balanced
from research.train.trainer import (
    train,
)
from research.train.validate import append_scores
from research.train.weight_averaging import main as mean_main
from research.train.weight_averaging import mean_checkpoint

pytestmark = pytest.mark.train

SMALL = replace(ModelConfig(), encoder_dim=48, encoder_blocks=2, decoder_dim=48, decoder_blocks=2)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, speech: NDArray[np.float32]) -> Corpus:
    root = tmp_path_factory.mktemp("speech")
    (root / "anna").mkdir()
    soundfile.write(root / "anna" / "a.wav", speech, 24_000)
    stereo = np.stack([speech[::2], speech[::2]], 1)
    soundfile.write(root / "bob-00.flac", stereo, 12_000)
    return open_corpus(root, tmp_path_factory.mktemp("cache"))


def test_corpus_has_a_source_per_folder_or_prefix(corpus: Corpus) -> None:
    assert [s.name for s in corpus.sources] == ["anna", "bob"]
    for source in corpus.sources:
        assert len(source.f0) == len(source.pcm) // 320 + 1
        assert 0.2 < (source.f0 > 0).mean() < 0.95
    assert corpus.sources[0].bandwidth_hz > 6000 > corpus.sources[1].bandwidth_hz - 500
    assert corpus.weights.sum() == pytest.approx(1.0)


def test_corpus_is_decoded_once(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no audio files"):
        open_corpus(tmp_path / "empty", tmp_path)


def test_pitch_of_a_glide_is_found() -> None:
    t = np.arange(48_000) / 24_000
    f0 = 120 + 40 * t
    phase = 2 * np.pi * np.cumsum(f0) / 24_000
    pcm = 0.1 * np.sum([np.sin(k * phase) / k for k in range(1, 20)], axis=0)
    track = voice_pitch(pcm, 24_000, 320)
    wanted = 120 + 40 * np.arange(len(track)) * 320 / 24_000
    middle = slice(10, -10)
    assert np.abs(track[middle] / wanted[middle] - 1).max() < 0.02


def test_unvoiced_pitch_is_bridged() -> None:
    f0 = np.array([0, 100, 0, 0, 0, 200, 0], np.float32)
    filled = fill_unvoiced(f0)
    assert filled[0] == pytest.approx(100)
    assert filled[3] == pytest.approx(141.4, abs=0.1)
    assert fill_unvoiced(np.zeros(3, np.float32)) == pytest.approx([120.0] * 3)


def test_batches_and_augmentation_are_seeded_and_sane(corpus: Corpus) -> None:
    one, two = (draw_clips(corpus, 4, 50, np.random.default_rng(7)) for _ in range(2))
    assert torch.equal(one.pcm, two.pcm)
    assert one.pcm.shape == (4, 16_000)
    assert one.f0.min() >= 60
    for seed in range(20):
        loud = augment(one.pcm, np.random.default_rng(seed))
        assert torch.isfinite(loud).all()
        assert loud.abs().max() <= 1.0


def test_clips_at_another_speed_have_the_pitch_they_are_labelled_with() -> None:
    samples = np.arange(72_000)
    phase = 2 * np.pi * np.cumsum(150 + 20 * np.sin(samples / 9000)) / 24_000
    pcm = 0.1 * np.sum([np.sin(k * phase) / k for k in range(1, 20)], axis=0)
    f0 = voice_pitch(pcm, 24_000, 320)
    source = Source("glide", (pcm * 32767).astype(np.int16), f0, 12_000.0)
    corpus = Corpus((source,), np.ones(1))
    batch = draw_clips(corpus, 12, 60, np.random.default_rng(3), speeds=(1.3, 1.3))
    assert batch.pcm.shape == (12, 60 * 320)
    assert 3 <= (batch.f0.median(1).values > 172).sum() <= 9  # about half are faster
    for clip, label in zip(batch.pcm.numpy(), batch.f0.numpy(), strict=True):
        heard = voice_pitch(clip.astype(float), 24_000, 320)[1:]
        assert np.abs(heard / label - 1)[8:-8].max() < 0.03


def test_a_faster_clip_loses_the_pitch_that_no_label_can_name(corpus: Corpus) -> None:
    batch = draw_clips(corpus, 8, 40, np.random.default_rng(0), speeds=(4.0, 4.0))
    assert torch.isfinite(batch.pcm).all()
    assert 60 <= batch.f0.min() <= batch.f0.max() <= 500


def test_flags_cover_every_rate_and_loss() -> None:
    flags, mask, *_ = draw_flags(CodecConfig(), 200, 100, np.random.default_rng(0))
    assert torch.equal(flags.sum(-1), torch.ones(200, 100))
    share = flags.mean((0, 1))
    assert 0.02 < share[4] < 0.10  # half of the clips lose some 8 %
    assert all(0.15 < s < 0.4 for s in share[:4])
    sent = torch.tensor([6.0, 8.0, 12.0, 24.0, 0.0])
    assert torch.equal(mask.sum(-1), (flags * sent).sum(-1))


def test_a_sine_has_its_amplitude_in_its_mel_band() -> None:
    t = torch.arange(24_000) / 24_000
    mel = MelSpectrum(1024, 128, 256, 24_000)(0.25 * torch.sin(2 * np.pi * 468.75 * t)[None])
    assert 0.1 < float(mel.max()) < 0.26


def test_pitch_loss_is_least_at_the_label() -> None:
    log_f0 = torch.linspace(np.log(60), np.log(500), 64)
    f0 = torch.exp(log_f0[[20]])[None]
    right = -0.5 * (torch.arange(64) - 20.0).square()[None, None]
    wrong = right.roll(8, -1)
    voiced = torch.ones(1, 1)
    assert pitch_loss(right, f0, voiced, log_f0) < pitch_loss(wrong, f0, voiced, log_f0)


def test_learning_rate_warms_up_holds_and_falls() -> None:
    assert learning_rate(0.0, 0) < 0.01
    assert learning_rate(0.3, 500) == 1.0
    assert learning_rate(0.9, 5000) == pytest.approx(0.1 / 0.35 + 0.01)


def after(steps: int) -> Callable[[], bool]:
    """Ends a run after so many steps: a wall-clock budget means little on a busy machine."""
    left = iter(range(steps))
    return lambda: next(left, None) is None


def test_both_stages_learn_resume_and_save(corpus: Corpus, tmp_path: Path) -> None:
    first = TrainOptions(out=tmp_path, stage=0, minutes=60, batch=2, frames=40)
    path = train(first, SMALL, corpus, stop=after(5))
    assert read_checkpoint(path)["progress"]["step"] == 5
    train(first, SMALL, corpus, stop=after(2))
    assert read_checkpoint(path)["progress"]["step"] == 7

    second = replace(first, stage=1, init=path, train_encoder=True)
    net = load_net(train(second, SMALL, corpus, stop=after(2)))
    before = load_net(path)
    moved = [
        not torch.equal(a, b)
        for a, b in zip(net.encoder.parameters(), before.encoder.parameters(), strict=True)
    ]
    assert any(moved)  # joint: the encoder was trained on


def test_weights_of_another_bitstream_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    first = TrainOptions(out=tmp_path, stage=1, minutes=60, batch=2, frames=40)
    path = train(first, SMALL, corpus, stop=after(1))
    other = replace(SMALL, decoder_dim=40, codec=replace(SMALL.codec, rates=(5, 6, 12)))
    for options in (first, replace(first, stage=2, init=path)):
        with pytest.raises(ModelError) as refused:
            train(options, other, corpus, stop=after(1))
        assert (
            "(decoder_dim is 48, expected 40; rates is (3, 4, 6, 12), expected (5, 6, 12)): go on"
        ) in str(refused.value)


def refuse(sentence: str) -> None:
    raise InputError(sentence)


def test_what_a_process_refuses_is_one_sentence() -> None:
    with pytest.raises(Q2D2Error, match=r"^no good$"):
        launch(partial(refuse, "no good"), 2)


def test_adversarial_stage_moves_the_decoder_and_nothing_before_it(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AdversarialStage, "alone_steps", 2)
    first = TrainOptions(out=tmp_path, stage=1, minutes=60, batch=2, frames=60)
    path = train(first, SMALL, corpus, stop=after(1))
    second = train(replace(first, stage=2, init=path), SMALL, corpus, stop=after(2))
    old, taught = load_net(path), load_net(second, averaged=False)
    for (name, a), (_, b) in zip(old.named_parameters(), taught.named_parameters(), strict=True):
        assert torch.equal(a, b), name  # a new discriminator learns alone
    young = read_checkpoint(second)["stage_head"]["discriminator.resolutions.0.project"]

    train(replace(first, stage=2, init=path), SMALL, corpus, stop=after(2))
    head = read_checkpoint(second)["stage_head"]
    assert int(head["steps"]) == 4
    assert not torch.equal(young, head["discriminator.resolutions.0.project"])
    new = load_net(second)
    for (name, a), (_, b) in zip(old.named_parameters(), new.named_parameters(), strict=True):
        if name.startswith("encoder."):
            assert torch.equal(a, b), name
    assert not torch.equal(old.decoder.head.weight, new.decoder.head.weight)


def test_the_rate_warms_up_again_when_the_decoder_joins_a_new_discriminator() -> None:
    stage = AdversarialStage(CodecNet(SMALL))
    alone = stage.alone_steps
    for steps, run, warmed in (
        (0, 0, 0),  # a new discriminator
        (alone - 1, alone - 1, alone - 1),
        (alone, alone, 0),  # the decoder joins it
        (alone + 40, alone + 40, 40),
        (5_000, 0, 0),  # a discriminator of an earlier run
        (5_300, 300, 300),
    ):
        stage.steps.fill_(steps)
        assert stage.warmed(run) == warmed


def test_a_pull_gets_its_share_of_the_gradient_whatever_its_scale() -> None:
    gains, angles = (torch.randn(2, 5, 3).requires_grad_() for _ in range(2))
    loss = gains.square().sum() + angles.square().sum()
    size = float(torch.cat([2 * gains, 2 * angles]).detach().norm())
    for scale in (1e-6, 1e6):
        auxiliary = scale * (gains.sum() - 3 * angles.sum())
        own, added = balanced(loss, [(0.25, auxiliary)], [gains, angles])
        torch.testing.assert_close(own, [2 * gains.detach(), 2 * angles.detach()])
        assert float(torch.cat(added).norm()) == pytest.approx(0.25 * size, rel=1e-3)
        torch.testing.assert_close(added[1], -3 * added[0], rtol=1e-3, atol=1e-4)


def test_the_discriminator_moves_the_decoder_but_not_the_encoder_even_when_joint(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AdversarialStage, "alone_steps", 0)
    torch.manual_seed(0)
    stage = AdversarialStage(CodecNet(SMALL), train_encoder=True)
    clips = Feed(corpus, None, SMALL.codec, 2, 40, (0,)).draw(np.random.default_rng(0))
    found = []
    for share in (0.0, 0.5):
        stage.zero_grad()
        torch.manual_seed(1)
        stage.steps.fill_(10_000)
        stage.prepare()
        stage.adversarial_weight = share
        stage.backward(clips, np.random.default_rng(1))
        gradients = {name: p.grad for name, p in stage.net.named_parameters()}
        found.append({name: g.clone() for name, g in gradients.items() if g is not None})
    without, heard = found
    assert without["encoder.project_in.weight"].norm() > 0
    for name, gradient in without.items():
        if name.startswith("encoder."):
            torch.testing.assert_close(gradient, heard[name])
    moved = "decoder.head.weight"
    assert (without[moved] - heard[moved]).norm() > 0.1 * without[moved].norm()


def test_turns_of_phase_tell_where_in_the_window_a_pulse_is() -> None:
    for at in (20, 100):
        pulse = torch.zeros(256)
        pulse[at] = -0.5  # whatever its sign
        turns = phase_turns(torch.view_as_real(torch.fft.rfft(pulse))).view(-1, 2)
        angle = torch.atan2(turns[:, 1], turns[:, 0])
        wanted = torch.tensor(-2 * np.pi * at / 256)
        assert torch.allclose(angle, wanted.expand(128), atol=1e-4)
        assert torch.allclose(turns.norm(dim=-1), torch.tensor(0.25**0.15), atol=1e-4)


def test_a_discriminator_learns_to_hear_a_codec_that_hisses(speech: NDArray[np.float32]) -> None:
    torch.manual_seed(0)
    clean = torch.from_numpy(speech[24_000:57_600].copy())[None]
    rng = np.random.default_rng(0)
    discriminator = Discriminator(draw=4)
    optimizer = torch.optim.AdamW(discriminator.parameters(), 2e-3)
    for _ in range(15):
        hissing = clean + 0.01 * torch.randn_like(clean)
        loss = discriminator_loss(*discriminator(hissing, clean, rng))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    fake, real = discriminator(clean + 0.01 * torch.randn_like(clean), clean, rng)
    assert discriminator_loss(fake, real) < 1.0  # 2.0 knows nothing
    assert adversarial_loss(fake) > adversarial_loss(real)
    assert feature_matching_loss(fake, real) > 0.0
    assert feature_matching_loss(real, real) == 0.0


def test_muon_turns_a_lopsided_gradient_into_an_even_step() -> None:
    torch.manual_seed(0)
    for shape in ((40, 90), (90, 40)):
        lopsided = torch.randn(shape) @ torch.diag(torch.logspace(0, -1.5, shape[1]))
        even = orthogonalise(torch.stack([lopsided, 3.0 * lopsided]))
        values = torch.linalg.svdvals(even)
        assert 0.5 < values.min() < values.max() < 1.3
        torch.testing.assert_close(even[0], even[1])
    weight = torch.nn.Parameter(torch.zeros(40, 90))
    weight.grad = torch.randn(40, 90)
    Muon([weight], lr=0.01).step()
    rms = float(weight.detach().square().mean().sqrt())
    assert rms == pytest.approx(0.01 * 0.2, rel=0.3)  # as large as a step of AdamW's


def test_a_checkpoint_is_saved_with_its_picture(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Path] = []
    monkeypatch.setattr("research.train.trainer.try_curves", drawn.append)
    train(TrainOptions(out=tmp_path, stage=1, minutes=0.0), SMALL, corpus)
    assert drawn == [tmp_path / "stage1.csv"]


def test_validation_scores_become_a_curve(tmp_path: Path) -> None:
    table = tmp_path / "scores.csv"
    for step in (100, 200):
        progress = Progress(stage=1, step=step, audio_seconds=36.0 * step)
        append_scores(table, progress, {"pesq 1.50 kbps": 1.5 + step / 1000})
    head, *rows = table.read_text().splitlines()
    assert head == "stage,step,audio_hours,pesq 1.50 kbps"
    assert rows == ["1,100,1.0,1.6", "1,200,2.0,1.7"]
    pytest.importorskip("matplotlib", reason="the picture needs matplotlib")
    assert table.with_suffix(".png").exists()


def test_what_is_no_checkpoint_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ModelError, match="is not a q2d2-stream checkpoint"):
        read_checkpoint(path)


def test_a_checkpoint_from_before_noise_shaping_shapes_none(tmp_path: Path) -> None:
    net = CodecNet(SMALL)
    save_checkpoint(tmp_path / "x.pt", net, Average(net), {}, {}, Progress())
    content = torch.load(tmp_path / "x.pt", weights_only=True)
    for part in ("weights", "average"):
        content[part].pop("quantizer.feedback", None)
    torch.save(content, tmp_path / "old.pt")
    assert (load_net(tmp_path / "old.pt").quantizer.feedback == 0.0).all()


def test_a_log_of_other_losses_is_kept_aside(tmp_path: Path) -> None:
    path = tmp_path / "stage1.csv"
    progress = Progress(stage=1, step=100)
    for losses in ({"mel": 1.0}, {"mel": 2.0}, {"mel": 3.0, "f0": 1.0}):
        TrainLog(path).add({k: torch.tensor(v) for k, v in losses.items()}, progress, 1e-3)
    assert len(path.read_text().splitlines()) == 2
    (aside,) = set(tmp_path.glob("*.csv")) - {path}
    assert len(aside.read_text().splitlines()) == 3


def test_a_mean_of_checkpoints_lies_between_them_and_can_be_kept_small(
    corpus: Corpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(AdversarialStage, "alone_steps", 0)
    first = TrainOptions(out=tmp_path / "a", stage=1, minutes=60, batch=2, frames=60)
    a = train(first, SMALL, corpus, stop=after(1))
    b = train(replace(first, out=tmp_path / "b", stage=2, init=a), SMALL, corpus, stop=after(2))
    out = tmp_path / "mean.pt"
    assert mean_main([str(a), str(b), str(out), "--share", "0.25", "--half"]) == 0
    nets = [load_net(path) for path in (a, b, out)]
    for (name, x), y, z in zip(
        nets[0].named_parameters(), nets[1].parameters(), nets[2].parameters(), strict=True
    ):
        torch.testing.assert_close(z, 0.75 * x + 0.25 * y, rtol=1e-3, atol=1e-4)
        if name.startswith("encoder."):  # the same in both: not moved by any rounding of the mean
            assert torch.equal(z, x.half().float())
    assert out.stat().st_size < 0.3 * b.stat().st_size
    # and stage 2 goes on from it, with B's discriminator
    train(replace(first, out=tmp_path / "c", stage=2, init=out), SMALL, corpus, stop=after(1))
    with pytest.raises(InputError, match="expected 0 to 1"):
        mean_checkpoint(read_checkpoint(a), read_checkpoint(b), 1.5)
    other = replace(SMALL, decoder_dim=40)
    wider = train(replace(first, out=tmp_path / "d"), other, corpus, stop=after(1))
    assert mean_main([str(a), str(wider), str(out)]) == 1
    capsys.readouterr()
    assert mean_main([str(a), str(b), str(a / "inside" / "a.file")]) == 1
    assert capsys.readouterr().err == f"mean: {a / 'inside'}: Not a directory\n"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--stage", "0", "--train-encoder"], "--train-encoder is of stages 1 and 2"),
        (["--stage", "1", "--whisper"], "--whisper is of stage 2"),
    ],
)
def test_options_that_a_stage_would_ignore_are_refused(
    options: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train_main(["--data", str(tmp_path), "--minutes", "1", *options]) == 1
    assert sentence in capsys.readouterr().err


def test_sharpening_the_head_is_sharpening_the_gains_it_predicts() -> None:
    torch.manual_seed(0)
    decoder = CodecNet(SMALL).decoder.eval()
    points, flags = torch.rand(2, 5, 24) * 2 - 1, torch.zeros(2, 5, 5)
    state = decoder.initial_state(2).blocks
    with torch.no_grad():
        before, _ = decoder.filters(points, flags, state)
        sharpen_harmonics(decoder, 0.2, 5)
        after, _ = decoder.filters(points, flags, state)
    order = bin_order(640)
    natural = before.harmonic[..., torch.argsort(order)].numpy()
    padded = np.pad(natural, [(0, 0), (0, 0), (2, 2)], mode="edge")
    smooth = np.lib.stride_tricks.sliding_window_view(padded, 5, axis=-1).mean(-1)
    wanted = torch.from_numpy(natural + 0.2 * (natural - smooth))[..., order]
    torch.testing.assert_close(after.harmonic, wanted, rtol=1e-4, atol=1e-4)
    assert (after.harmonic - before.harmonic).abs().max() > 0.01
    for name in ("angle", "noise", "pitch", "voicing"):
        assert torch.equal(getattr(before, name), getattr(after, name))
    with torch.no_grad():
        sharpen_harmonics(decoder, 0.2, 5, undo=True)
        undone, _ = decoder.filters(points, flags, state)
    torch.testing.assert_close(undone.harmonic, before.harmonic, rtol=1e-4, atol=1e-4)
    for amount, width in ((1.5, 33), (0.1, 32), (0.1, 999)):
        with pytest.raises(InputError, match="expected"):
            sharpen_harmonics(decoder, amount, width)


def test_gradients_are_clipped_by_group_and_dropped_where_they_are_not_finite() -> None:
    small, large, broken, idle = (torch.nn.Parameter(torch.zeros(3, 2)) for _ in range(4))
    small.grad = torch.full((3, 2), 0.01)
    large.grad, broken.grad = torch.full((3, 2), 5.0), torch.full((3, 2), torch.nan)
    norm = clip_gradients([[small], [large, idle], [broken], [idle]], world=1)
    assert float(norm) == pytest.approx(0.01 * 6**0.5)
    torch.testing.assert_close(small.grad, torch.full((3, 2), 0.01))
    assert float(large.grad.norm()) == pytest.approx(1.0)
    assert not broken.grad.any()
    assert idle.grad is None


def test_clips_drawn_by_other_processes_train_too(corpus: Corpus, tmp_path: Path) -> None:
    options = TrainOptions(out=tmp_path, stage=1, minutes=60, batch=2, frames=60, workers=2)
    path = train(options, SMALL, corpus, noise=corpus, stop=after(3))
    assert read_checkpoint(path)["progress"]["step"] == 3
    batches = Feed(corpus, None, SMALL.codec, 2, 60, (0,))
    workers = feed(batches, 2, torch.device("cpu"))
    one, two = next(workers), next(workers)  # of different processes
    assert one.pcm.shape == (2, 60 * 320)
    assert one.mask.shape == (2, 60, 24)
    assert not torch.equal(one.pcm, two.pcm)


def test_graphs_are_refused_where_steps_cannot_be_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], speech: NDArray[np.float32]
) -> None:
    soundfile.write(tmp_path / "a.wav", speech, 24_000)
    command = ["--data", str(tmp_path), "--minutes", "1", "--out", str(tmp_path), "--cuda-graphs"]
    assert train_main([*command, "--processes", "2"]) == 1
    assert "--cuda-graphs" in capsys.readouterr().err


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_recorded_step_does_what_the_step_does() -> None:
    weight = torch.zeros(4, device="cuda")

    def step(inputs: Sequence[Tensor], rng: np.random.Generator) -> dict[str, Tensor]:
        weight.add_(inputs[0] * float(rng.integers(1, 3)))  # drawn when it is recorded
        return {"sum": weight.sum()}

    recorder = CudaGraphCapture(step, variants=2)
    rng = np.random.default_rng(0)
    for number in range(20):
        before = weight.clone()
        losses = recorder([torch.full((4,), float(number))], "", rng)
        moved = torch.unique(weight - before)
        assert len(moved) == 1
        assert float(moved) in (number, 2 * number)
        assert float(losses["sum"]) == pytest.approx(float(weight.sum()))
    recorder.close()
