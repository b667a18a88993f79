"""Points found by gradient descent through the shipped decoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

pytest.importorskip("torch", reason="the search is tested where the extra [search] is")
pytest.importorskip("onnx", reason="the search is tested where the extra [search] is")

import torch

from q2d2_stream import load_codec
from q2d2_stream.analysis_by_synthesis.perceptual import NsimLoss, StoiLoss
from q2d2_stream.analysis_by_synthesis.search import REVISION, PointSearch
from q2d2_stream.cli.main import main
from q2d2_stream.engine.codec import MODELS
from q2d2_stream.errors import InputError
from q2d2_stream.model.discriminator import Discriminator
from q2d2_stream.model.net import CodecNet
from q2d2_stream.model.shipped import shipped_discriminator, shipped_net
from research.eval.best_effort import BestEffortCodec
from research.eval.codecs import StreamCodec

# Minutes of one core each, and on a busy machine several times that.
pytestmark = [pytest.mark.train, pytest.mark.slow, pytest.mark.timeout(1500)]

Pcm = NDArray[np.float32]


@pytest.fixture(scope="module")
def net() -> CodecNet:
    return shipped_net(MODELS)


@pytest.fixture(scope="module")
def pcm(speech: Pcm) -> Pcm:
    return np.ascontiguousarray(speech[: 320 * 150], dtype=np.float32)


def test_what_is_found_is_nearer_to_the_sound(net: CodecNet, pcm: Pcm) -> None:
    codec = load_codec(engine="onnx")
    search = PointSearch(net, rate=0, discriminator=shipped_discriminator(MODELS))
    found = np.concatenate([search.push(pcm), search.finish()])
    heard = codec.encoder(1.5).push(pcm)
    assert found.shape == heard.shape
    assert found.dtype == np.uint8
    assert (found != heard).any()

    def lost(indices: NDArray[np.uint8]) -> list[float]:
        decoder = codec.decoder()
        decoded = np.concatenate([decoder.push(frame) for frame in indices])
        got = torch.from_numpy(decoded[codec.config.lookahead :])[None]
        wanted = torch.from_numpy(pcm[: got.shape[1]])[None]
        return [float(loss(got, wanted)) for loss in (StoiLoss(24_000, 320), NsimLoss(24_000))]

    (stoi, nsim), (was_stoi, was_nsim) = lost(found), lost(heard)
    assert stoi < 0.9 * was_stoi
    assert nsim < 0.9 * was_nsim


def test_indices_do_not_depend_on_how_the_sound_is_cut(net: CodecNet, pcm: Pcm) -> None:
    long = np.tile(pcm, 5)  # 10 s, two pieces
    whole = PointSearch(net, rate=1, steps=1)
    parts = PointSearch(net, rate=1, steps=1)
    at_once = [whole.push(long), whole.finish()]
    cut = [parts.push(piece) for piece in np.split(long, [320, 320 * 333, 320 * 526])]
    cut.append(parts.finish())
    assert [len(each) for each in at_once] == [450, 300]
    np.testing.assert_array_equal(np.concatenate(at_once), np.concatenate(cut))


@pytest.mark.parametrize("frames", [0, 1, 40])
def test_short_and_silent_sounds_pass(net: CodecNet, frames: int) -> None:
    search = PointSearch(net, rate=2, steps=2)
    if frames:
        assert len(search.push(np.zeros(320 * frames, dtype=np.float32))) == 0
    found = search.finish()
    assert found.shape == (frames, 6)
    assert len(search.finish()) == 0
    assert (found < np.array(net.config.codec.codebook_sizes)).all()


def test_models_may_come_without_a_discriminator(tmp_path: Path) -> None:
    assert isinstance(shipped_discriminator(MODELS), Discriminator)
    assert shipped_discriminator(tmp_path) is None


def test_bad_arguments_are_refused(net: CodecNet) -> None:
    with pytest.raises(InputError, match="rate is 4, expected 0 to 3"):
        PointSearch(net, rate=4)
    with pytest.raises(InputError, match="no search at 6 kbps"):
        PointSearch(net, rate=3)
    with pytest.raises(InputError, match="takes 0 steps, expected 1 or more"):
        PointSearch(net, rate=0, steps=0)
    with pytest.raises(InputError, match="321 samples, expected whole frames of 320"):
        PointSearch(net, rate=0).push(np.zeros(321, dtype=np.float32))
    with pytest.raises(InputError, match="pcm reaches nan"):
        PointSearch(net, rate=0).push(np.full(320, np.nan, dtype=np.float32))


def test_q2d2_encode_searches(pcm: Pcm, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sound, coded, back = (str(tmp_path / name) for name in ("a.wav", "a.q2d2", "b.wav"))
    soundfile.write(sound, pcm[:-100], 24_000)
    assert main(["encode", "--effort", "max", "--steps", "2", "--rate", "2", sound, coded]) == 0
    assert main(["decode", coded, back]) == 0
    assert len(soundfile.read(back)[0]) == len(pcm) - 100
    searched = Path(coded).read_bytes()
    assert main(["encode", "--rate", "2", sound, coded]) == 0
    assert Path(coded).read_bytes() != searched
    capsys.readouterr()
    assert main(["encode", "--steps", "2", sound, coded]) == 1
    assert "--steps is of --effort max" in capsys.readouterr().err


def test_a_searched_codec_is_evaluated_beside_the_other(pcm: Pcm) -> None:
    codec = BestEffortCodec("1.5", "onnx", steps=1)
    assert (codec.name, codec.title) == ("q2d2_1.5_search", "q2d2 1.50 kbps, searched")
    assert codec.latency_ms == pytest.approx(7013.3, abs=0.1)
    assert codec.key().endswith(f" rate 0 searched 1 revision {REVISION}")
    coded, other = codec.roundtrip(pcm), StreamCodec("1.5", "onnx").roundtrip(pcm)
    assert coded.pcm.shape == pcm.shape
    assert coded.bits == other.bits
    assert (coded.pcm != other.pcm).any()
