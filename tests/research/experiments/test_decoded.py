"""The shipped codec with other quantizers: what is kept of it, what is trained, what is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

pytest.importorskip("torch", reason="training is tested where the extra [train] is")

import torch

from q2d2_stream.config import BITSTREAM_1
from q2d2_stream.model import Decoder, ModelConfig
from q2d2_stream.model.net import CodecNet
from research.experiments import decoded
from research.experiments.decoded import ARMS, table
from research.experiments.harness.fine_tuning import (
    FineTuned,
    Settings,
    fine_tune,
    hidden,
    prepare,
)
from research.train.corpus import open_corpus

pytestmark = pytest.mark.train

Pcm = NDArray[np.float32]
TINY = Settings(steps=2, batch=2, frames=45, minutes=0.1)


@pytest.fixture(scope="module")
def net() -> CodecNet:
    """A small network of the shipped bitstream."""
    torch.manual_seed(0)
    size = ModelConfig(
        BITSTREAM_1, encoder_dim=16, encoder_blocks=1, decoder_dim=16, decoder_blocks=1
    )
    return CodecNet(size).eval().requires_grad_(False)


def test_untrained_pairs_are_the_shipped_codec(net: CodecNet, speech: Pcm) -> None:
    pcm = speech[: 320 * 40]
    codec = FineTuned(net, ARMS["rhombic"], seed=0).eval()
    said, indices = codec.roundtrip(net, pcm, 2)
    points, wanted = net.encode(torch.from_numpy(pcm)[None])  # untrained: it has no feedback yet
    assert np.array_equal(indices[:40], wanted[0].numpy())
    decoder: Decoder = net.decoder
    flags = torch.eye(decoder.flags)[2].expand(1, 40, -1)
    out, _ = decoder(points, flags, decoder.initial_state())
    lookahead = net.config.codec.lookahead
    np.testing.assert_allclose(said[: 320 * 39], out[0, lookahead:].numpy(), atol=1e-5)


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_has_the_bits_of_the_shipped_rates(net: CodecNet, arm: str) -> None:
    quantizer, ladder = ARMS[arm].quantizer(), net.config.codec.ladder
    for rate, groups in ARMS[arm].sent.items():
        pairs = ladder[rate].codebook_sizes[: ladder[rate].pairs]
        assert quantizer.bits[groups - 1] == pytest.approx(sum(np.log2(pairs)), abs=0.85)
    assert max(ARMS[arm].sent.values()) == quantizer.groups


@pytest.mark.parametrize("arm", ["E8 + D4", "VQ 8-D, new layers"])
def test_training_moves_the_decoder_and_leaves_the_encoder(
    net: CodecNet, arm: str, speech: Pcm, tmp_path: Path
) -> None:
    (tmp_path / "speech").mkdir()
    soundfile.write(tmp_path / "speech" / "one.wav", speech[:96_000], 24_000)
    corpus = open_corpus(tmp_path / "speech", tmp_path)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    material = prepare(net, corpus, tmp_path, 0.1, "some")
    assert len(material.hidden) == len(material.pcm) == len(material.f0) == 300
    again = prepare(net, corpus, tmp_path, 0.1, "some")
    assert np.array_equal(material.hidden, again.hidden)
    codec, told = fine_tune(net, ARMS[arm], material, TINY, seed=0)
    assert np.isfinite(told["history"]).all()
    begun = FineTuned(net, ARMS[arm], seed=0)
    for name in ("decoder.head.weight", "project_out.weight"):
        assert not torch.equal(codec.state_dict()[name], begun.state_dict()[name])
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    rate = max(ARMS[arm].sent)
    said, indices = codec.roundtrip(net, speech[:10_000], rate)
    assert len(said) == 10_000
    assert np.isfinite(said).all()
    assert indices.shape[1] == codec.quantizer.groups


def test_indices_are_decoded_to_what_was_sent(net: CodecNet, speech: Pcm) -> None:
    codec = FineTuned(net, ARMS["VQ 2-D"], seed=0).eval()
    pcm = torch.from_numpy(speech[: 320 * 60])[None]
    x, _ = hidden(net, pcm, net.encoder.initial_state(1))
    indices = codec.indices(x[0])[:, :3]
    said, _ = codec.roundtrip(net, speech[: 320 * 59], 0)
    lookahead = net.config.codec.lookahead
    again = codec.decode(torch.from_numpy(indices))[lookahead:]
    np.testing.assert_allclose(again[: 320 * 57], said[: 320 * 57], atol=1e-5)


def test_material_is_what_the_encoder_s_last_layer_is_given(
    net: CodecNet, speech: Pcm, tmp_path: Path
) -> None:
    pcm = torch.from_numpy(speech[: 320 * 30])[None]
    x, _ = hidden(net, pcm, net.encoder.initial_state(1))
    latent, _ = net.encoder(pcm, net.encoder.initial_state(1))
    torch.testing.assert_close(torch.tanh(net.encoder.project_out(x)) * net.encoder.scale, latent)


def test_arms_are_compared_seed_by_seed_with_the_baseline_of_their_layers() -> None:
    records = [
        {"arm": arm, "seed": seed, "rates": {"2": {"bits": 39.0, "pesq": value + seed}}}
        for seed in (0, 1)
        for arm, value in (
            ("rhombic", 2.0), ("BCC", 2.5),
            ("rhombic, new layers", 1.0), ("VQ 8-D, new layers", 0.5),
        )
    ]  # fmt: skip
    lines = table(records, 2).splitlines()
    assert lines[2] == "| rhombic | 2 | 39.0 | 2.500 ± 0.707 |"
    assert lines[3] == "| BCC | 2 | 39.0 | +0.500 ± 0.000 |"
    assert lines[5] == "| VQ 8-D, new layers | 2 | 39.0 | -0.500 ± 0.000 |"


def test_tables_need_no_speech(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert decoded.main(["--results", str(tmp_path)]) == 0
    assert "| quantizer | seeds | bits |" in capsys.readouterr().out
