"""The rate with refinement through encoder and decoder, with an untrained network."""

from __future__ import annotations

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the network of these tests is torch's")
pytest.importorskip("onnx", reason="its metadata is the exporter's")

from q2d2_stream.cli.facts import model_facts  # noqa: E402
from q2d2_stream.engine import Codec  # noqa: E402
from q2d2_stream.errors import InputError, ModelError  # noqa: E402
from q2d2_stream.model import decoder as decoder_module  # noqa: E402
from q2d2_stream.model.net import CodecNet  # noqa: E402
from q2d2_stream.packet import Toc  # noqa: E402
from q2d2_stream.refinement import BANDS, SYMBOL_ZERO, Bands  # noqa: E402
from tests.labs.networks import codec_of, small_net  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.slow]

HOP, FRAMES = 320, 60


@pytest.fixture(scope="module")
def net() -> CodecNet:
    return small_net()


@pytest.fixture(scope="module")
def codec(net: CodecNet, tmp_path_factory: pytest.TempPathFactory) -> Codec:
    return codec_of(net, tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def clip(speech: np.ndarray) -> np.ndarray:
    return speech[100 * HOP : (100 + FRAMES) * HOP]


def level_error(got: np.ndarray, wanted: np.ndarray) -> float:
    """Of 40 levels, rms in nepers, where there is sound."""
    bands, view = Bands(24_000, HOP), np.lib.stride_tricks.sliding_window_view
    a, b = (
        np.stack([bands.levels(bands.spectrum(window)) for window in view(pcm, 640)[::HOP]])
        for pcm in (got, wanted)
    )
    return float(np.sqrt(np.square(a - b)[b > b.max() - 4].mean()))


def test_what_it_costs_is_told(codec: Codec) -> None:
    told = model_facts(codec)["refinement"]
    assert told.startswith("--rate 6: latency 40.0 ms, ")
    send, hear = (float(number) for number in re.findall(r"([0-9.]+) M/s", told))
    macs = [codec.info[f"macs_per_frame_{role}"] * 75e-6 for role in ("encoder", "decoder")]
    assert sum(macs) < send < sum(macs) + 5
    assert macs[1] < hear < macs[1] + 4


def test_ladder_and_delay(codec: Codec) -> None:
    assert [rate.name for rate in codec.rates] == ["1", "1.5", "2", "3", "6"]
    decoder = codec.decoder()
    assert decoder.delay_samples == 320
    decoder.decode(codec.encoder("6").encode(np.zeros(3 * HOP, np.float32)))
    assert decoder.delay_samples == codec.rates[-1].lookahead == 640


@pytest.mark.parametrize("with_tables", [True, False])
def test_refined_speech_has_the_levels_of_the_original(
    net: CodecNet, codec: Codec, clip: np.ndarray, with_tables: bool
) -> None:
    used = codec if with_tables else codec_of(net)
    heard = {}
    for name in ("3", "6"):
        encoder, decoder = used.encoder(name), used.decoder()
        sent = [encoder.encode(clip[n : n + 3 * HOP]) for n in range(0, len(clip), 3 * HOP)]
        pcm = np.concatenate([decoder.decode(packet) for packet in sent])
        delay = decoder.delay_samples
        heard[name] = level_error(pcm[delay:], clip[: len(clip) - delay])
        if name == "6":
            assert {Toc.from_packet(packet).coded for packet in sent} == {with_tables}
    assert heard["6"] < 0.6 * heard["3"]


def test_frame_by_frame_is_all_at_once(codec: Codec, clip: np.ndarray) -> None:
    one, other = codec.encoder("6"), codec.encoder("6")
    whole = one.measure(clip)
    parts = [other.measure(clip[n : n + HOP]) for n in range(0, len(clip), HOP)]
    np.testing.assert_array_equal(whole[0], np.concatenate([each[0] for each in parts]))
    np.testing.assert_allclose(whole[1], np.concatenate([each[1] for each in parts]), atol=1e-5)
    numbers = codec.encoder("6").push(clip)
    single, several = codec.decoder(), codec.decoder()
    np.testing.assert_allclose(
        several.push(numbers),
        np.concatenate([single.push(frame) for frame in numbers]),
        atol=1e-6,
    )


def test_the_sender_hears_what_the_receiver_hears(net: CodecNet, clip: np.ndarray) -> None:
    """Gains of the error itself, not rounded, leave next to none of it."""
    used = codec_of(net)
    code = used.refinement_code
    assert code is not None
    encoder, decoder = used.encoder("6"), used.decoder()
    numbers = encoder.push(clip)
    errors = code.indices_to_error(numbers[:, 6:])
    exact = used.encoder("6").measure(clip)[1]
    assert np.abs(code.indices_to_error(code.indices(exact)) - errors).max() < 1e-5
    plain = used.decoder().push(numbers[:, :6])  # the same network, told of the other rate
    assert np.abs(plain).max() > 0
    assert decoder.push(numbers).shape == plain.shape


def test_a_rate_that_begins_again_finds_the_receiver_where_it_is(
    net: CodecNet, clip: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_module, "UNHEARD", 0.3)  # of many frames, so that phases meet
    used = codec_of(net)
    encoder, always = used.encoder("3"), used.encoder("3")
    encoder.push(clip[: 40 * HOP])
    always.push(clip[:HOP])
    always.rate = used.rates[-1]
    always.push(clip[HOP : 40 * HOP])
    encoder.rate = used.rates[-1]
    switched, steady = (each.measure(clip[40 * HOP :])[1] for each in (encoder, always))
    # the flags of the frames before differ, so the two are near, not the same
    assert np.sqrt(np.square(switched - steady).mean()) < 0.1 * np.sqrt(np.square(steady).mean())


@pytest.mark.parametrize("at", [1, 20])
def test_when_refinement_begins_amid_a_sound_there_is_no_click(
    codec: Codec, clip: np.ndarray, at: int
) -> None:
    encoder, decoder = codec.encoder("3"), codec.decoder()
    out = [decoder.push(encoder.push(clip[: at * HOP]))]
    encoder.rate = codec.rates[-1]
    out.append(decoder.push(encoder.push(clip[at * HOP : 40 * HOP])))
    encoder.rate = codec.rates[0]
    out.append(decoder.push(encoder.push(clip[40 * HOP :])))
    pcm = np.concatenate(out)
    assert len(pcm) == len(clip)
    assert decoder.delay_samples == 640  # and stays, though the rate is a lower one again
    steps = np.abs(np.diff(pcm))
    seams = [at * HOP - 1, (at + 1) * HOP - 1, 40 * HOP - 1, 41 * HOP - 1]
    assert steps[seams].max() <= steps.max()
    assert steps[seams].max() < 4 * np.percentile(steps, 99)


def test_lost_packets_are_concealed(codec: Codec, clip: np.ndarray) -> None:
    encoder, decoder = codec.encoder("6"), codec.decoder()
    packets = [encoder.encode(clip[n : n + 3 * HOP]) for n in range(0, len(clip), 3 * HOP)]
    out = [decoder.decode(None if n % 5 == 3 else p) for n, p in enumerate(packets)]
    pcm = np.concatenate(out)
    assert len(pcm) == len(clip)
    assert np.isfinite(pcm).all()
    whole_decoder = codec.decoder()
    whole = np.concatenate([whole_decoder.decode(packet) for packet in packets])
    np.testing.assert_array_equal(pcm[: 9 * HOP], whole[: 9 * HOP])
    assert not np.array_equal(pcm[9 * HOP : 12 * HOP], whole[9 * HOP : 12 * HOP])


@pytest.mark.parametrize("limit", [20, 45, 80, 110])
def test_a_frame_keeps_to_its_limit(codec: Codec, clip: np.ndarray, limit: int) -> None:
    encoder = codec.encoder("6")
    encoder.refinement_limit_bits = limit
    numbers = encoder.push(clip)
    assert codec.coder is not None
    coder, every = codec.coder, np.arange(BANDS)
    bits = np.array(
        [
            coder.step_bits(step) + coder.symbol_bits(step)[every, row].sum()
            for step, row in zip(numbers[:, 6].tolist(), numbers[:, 7:], strict=True)
        ]
    )
    none = (numbers[:, 7:] == SYMBOL_ZERO).all(1)
    assert (bits[~none] <= limit).all()
    assert numbers[:, 6].max() > 0 or limit == 110  # larger steps where they are needed


def test_any_run_of_frames_can_be_coded(codec: Codec, clip: np.ndarray) -> None:
    numbers = codec.encoder("6").push(clip)
    for frames in (1, 3, 16):
        for start in range(0, FRAMES - frames, 7):
            packet = codec.packets.encode(numbers[start : start + frames])
            assert Toc.from_packet(packet).coded


def test_bad_numbers_are_refused_in_a_sentence(codec: Codec, clip: np.ndarray) -> None:
    numbers = codec.encoder("6").push(clip[: 2 * HOP])
    for column, value in ((6, 4), (8, 61), (0, 200)):
        wrong = numbers.copy()
        wrong[1, column] = value
        with pytest.raises(InputError):
            codec.decoder().push(wrong)
    with pytest.raises(InputError, match="a frame has 16 indices"):
        codec.decoder().push(np.zeros((1, 16), np.uint8))


def test_a_model_without_its_statistics_is_refused(net: CodecNet) -> None:
    from export.graphs import DecoderGraph
    from export.onnx import metadata
    from tests.labs.networks import TorchRunner

    said = metadata(net, "none")["decoder"]
    del said["q2d2.refinement"]
    with pytest.raises(ModelError, match="refinement statistics are damaged"):
        Codec(lambda _: TorchRunner(DecoderGraph(net.decoder), said))


def test_a_receiver_that_is_told_where_it_is_hears_what_the_sender_hears(
    codec: Codec, clip: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It joins after 25 frames, as after a pause in which nothing was sent."""
    monkeypatch.setattr(decoder_module, "UNHEARD", 0.3)  # so that phases meet soon
    numbers = codec.encoder("6").push(clip)
    whole, told, lost = codec.decoder(), codec.decoder(), codec.decoder()
    expected = whole.push(numbers)[45 * HOP :]
    told.seek(25)
    joined = told.push(numbers[25:])[20 * HOP :]
    not_told = lost.push(numbers[25:])[20 * HOP :]
    assert np.abs(joined - expected).max() < 1e-3
    assert np.abs(not_told - expected).max() > 1e-2


def test_a_sender_may_be_told_where_it_is(codec: Codec, clip: np.ndarray) -> None:
    one, other = codec.encoder("6"), codec.encoder("6")
    other.seek(4096 + 10)  # noise comes again after 4096 frames
    one.seek(10)
    np.testing.assert_allclose(one.measure(clip)[1], other.measure(clip)[1], atol=1e-6)
    other.reset()
    assert np.abs(other.measure(clip)[1] - one.measure(clip)[1]).max() > 1e-3
