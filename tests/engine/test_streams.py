"""Streams through every engine and precision that this machine can run."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from q2d2_stream.engine import Codec, load_codec
from q2d2_stream.engine.choice import Choice, available
from q2d2_stream.engine.codec import MODELS
from q2d2_stream.errors import FormatError, InputError, ModelError
from q2d2_stream.packet import Toc
from tests.labs.paths import SPEECH

pytestmark = pytest.mark.slow

CHOICES = list(available(MODELS))
HOP = 320
FRAMES = 60

Pcm = NDArray[np.float32]
_loaded: dict[Choice, Codec] = {}


def load(choice: Choice) -> Codec:
    if choice not in _loaded:
        _loaded[choice] = load_codec(engine=choice[0], precision=choice[1])
    return _loaded[choice]


@pytest.fixture(params=CHOICES, ids="-".join)
def codec(request: pytest.FixtureRequest) -> Codec:
    return load(request.param)


@pytest.fixture(scope="module")
def clip(speech: Pcm) -> Pcm:
    return speech[100 * HOP : (100 + FRAMES) * HOP]


def spectra(pcm: Pcm) -> NDArray[np.float64]:
    frames = np.lib.stride_tricks.sliding_window_view(pcm, 640)[::HOP] * np.hanning(640)
    return np.abs(np.fft.rfft(frames))


def ratio_db(signal: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    return float(10 * np.log10((signal**2).sum() / ((signal - other) ** 2).sum()))


def test_there_is_an_engine() -> None:
    assert CHOICES, "no model files or no runtime: nothing below was tested"


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(CHOICES, 2)))
def test_engines_agree(one: Choice, other: Choice, clip: Pcm) -> None:
    mine, theirs = load(one), load(other)
    if mine.model_id != theirs.model_id:
        pytest.skip("the model files of these engines are of different checkpoints")
    rounded = "int8" in (one[1], other[1])
    latents = mine.encoder().latents(clip), theirs.encoder().latents(clip)
    indices = mine.encoder(6).push(clip), theirs.encoder(6).push(clip)
    if rounded:
        assert ratio_db(*latents) > 20
        pairs = mine.config.pairs  # what follows them at the rate with refinement is sensitive
        assert (indices[0][:, :pairs] == indices[1][:, :pairs]).mean() > 0.85
    else:
        np.testing.assert_allclose(*latents, atol=1e-4)
        np.testing.assert_array_equal(*indices)
    sounds = mine.decoder().push(indices[0]), theirs.decoder().push(indices[0])
    assert ratio_db(*map(spectra, sounds)) > (8 if rounded else 30)


@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(CHOICES, 2)))
def test_engines_talk_to_each_other(one: Choice, other: Choice, clip: Pcm) -> None:
    """What one encodes the other decodes, to about the spectrum that the sender would hear."""
    if load(one).model_id != load(other).model_id:
        pytest.skip("the model files of these engines are of different checkpoints")
    indices = load(one).encoder(6).push(clip)
    width = indices.shape[1]
    sizes = load(other).config.width_to_rate(width).sizes_of(width)
    assert (indices < np.array(sizes)).all()
    heard = load(other).decoder().push(indices)
    assert np.isfinite(heard).all()
    assert ratio_db(spectra(load(one).decoder().push(indices)), spectra(heard)) > 8


def test_frame_by_frame_is_all_at_once(codec: Codec, clip: Pcm) -> None:
    encoder, decoder = codec.encoder(6), codec.decoder()
    whole = codec.encoder(6).push(clip)
    pieces = np.concatenate([encoder.push(frame) for frame in clip.reshape(-1, HOP)])
    np.testing.assert_array_equal(pieces, whole)
    sound = np.concatenate([decoder.push(frame) for frame in whole])
    np.testing.assert_array_equal(sound, codec.decoder().push(whole))


def test_nothing_depends_on_the_future(codec: Codec, clip: Pcm) -> None:
    changed = clip.copy()
    changed[30 * HOP :] = 0.3
    first, second = codec.encoder(6).push(clip), codec.encoder(6).push(changed)
    np.testing.assert_array_equal(first[:30], second[:30])
    assert (first[30:] != second[30:]).any()
    sounds = codec.decoder().push(first), codec.decoder().push(second)
    np.testing.assert_array_equal(sounds[0][: 30 * HOP], sounds[1][: 30 * HOP])


def test_the_output_trails_by_what_is_said(codec: Codec) -> None:
    """What is said in frame 40 is heard one frame later, as ``delay_samples`` says; the window
    that overlaps from it begins one frame before."""
    assert codec.decoder().delay_samples == codec.config.lookahead == HOP
    silence = np.zeros(60 * HOP, np.float32)
    burst = silence.copy()
    burst[40 * HOP :] = np.random.default_rng(0).normal(0, 0.1, 20 * HOP)
    quiet, loud = (codec.decoder().push(codec.encoder(6).push(pcm)) for pcm in (silence, burst))
    changed = (quiet != loud).reshape(-1, HOP).mean(-1)
    assert not changed[:40].any()
    assert (changed[41:] > 0.5).all()


def test_streams_are_independent_and_reset(codec: Codec, clip: Pcm) -> None:
    alone = codec.encoder(3).push(clip)
    one, other = codec.encoder(3), codec.encoder(3)
    mixed = []
    for frame in clip.reshape(-1, HOP):
        mixed.append(one.push(frame))
        other.push(frame[::-1].copy())
    np.testing.assert_array_equal(np.concatenate(mixed), alone)
    one.reset()
    np.testing.assert_array_equal(one.push(clip), alone)

    sound = codec.decoder().push(alone)
    left, right = codec.decoder(), codec.decoder()
    heard = []
    for frame in alone:
        heard.append(left.push(frame))
        right.push(None)
    np.testing.assert_array_equal(np.concatenate(heard), sound)
    left.reset()
    np.testing.assert_array_equal(left.push(alone), sound)


def test_streams_in_several_threads_do_not_disturb_each_other(codec: Codec, clip: Pcm) -> None:
    def transcode(_: int) -> Pcm:
        encoder, decoder = codec.encoder(6), codec.decoder()
        frames = clip[: 320 * 60].reshape(-1, 320)
        return np.concatenate([decoder.push(encoder.push(frame)) for frame in frames])

    alone = transcode(0)
    with ThreadPoolExecutor(4) as pool:
        for together in pool.map(transcode, range(4)):
            np.testing.assert_array_equal(together, alone)


def test_the_rate_may_change_at_any_frame(codec: Codec, clip: Pcm) -> None:
    encoder, decoder = codec.encoder(1.5), codec.decoder()
    best = codec.encoder(6).push(clip)
    for n, frame in enumerate(clip.reshape(-1, HOP)):
        encoder.rate = codec.config.ladder[n % 4]
        (indices,) = encoder.push(frame)
        pairs = codec.config.ladder[n % 4].pairs
        np.testing.assert_array_equal(indices[:pairs], best[n, :pairs])
        pcm = decoder.push(indices)
        assert pcm.shape == (HOP,)
        assert np.isfinite(pcm).all()
    with pytest.raises(InputError, match=r"expected one of 1\.5, 2, 3, 6"):
        encoder.rate = 4
    assert encoder.rate is codec.config.ladder[(FRAMES - 1) % 4]


def test_lost_frames_are_concealed(codec: Codec, clip: Pcm) -> None:
    indices = codec.encoder(6).push(clip)
    decoder = codec.decoder()
    for n, frame in enumerate(indices):
        pcm = decoder.push(None if n % 5 == 3 else frame)
        assert pcm.shape == (HOP,)
        assert np.abs(pcm).max() <= 1
    for _ in range(300):
        pcm = decoder.push(None)
    assert np.isfinite(pcm).all()
    assert np.abs(pcm).max() <= 1


def test_the_first_lost_frames_sound_as_the_one_before_them_and_no_more_do(
    codec: Codec, clip: Pcm
) -> None:
    frames = [
        codec.encoder(codec.config.ladder[n % 3]).push(clip[: (n + 1) * HOP])[-1]
        for n in range(20, 25)
    ]
    lossy, told = codec.decoder(), codec.decoder()
    for frame in frames:  # of changing rates
        np.testing.assert_array_equal(lossy.push(frame), told.push(frame))
        for _ in range(lossy.held_frames):
            np.testing.assert_array_equal(lossy.push(None), told.push(frame))
    assert not np.array_equal(lossy.push(None), told.push(frames[-1]))

    lossy.push(frames[0])
    lossy.reset()  # forgets it
    told.reset()
    np.testing.assert_array_equal(lossy.push(None), told.push(None))
    both = np.stack(frames[::3])
    np.testing.assert_array_equal(lossy.push(both), told.push(both))
    np.testing.assert_array_equal(lossy.push(None), told.push(both[-1]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e6])
def test_samples_out_of_range_are_refused(codec: Codec, clip: Pcm, bad: float) -> None:
    encoder, untouched = codec.encoder(6), codec.encoder(6)
    encoder.push(clip[: 10 * HOP])
    untouched.push(clip[: 10 * HOP])
    wrong = clip[:HOP].copy()
    wrong[17] = bad
    with pytest.raises(InputError, match="expected finite samples between -1 and 1"):
        encoder.push(wrong)
    after = clip[10 * HOP : 20 * HOP]  # and the stream goes on as if nothing had been pushed
    np.testing.assert_array_equal(encoder.push(after), untouched.push(after))


@pytest.mark.parametrize("shape", [(), (0,), (1, 1, 3), (5,), (2, 5)])
def test_shapes_of_indices_are_checked(codec: Codec, shape: tuple[int, ...]) -> None:
    decoder = codec.decoder()
    with pytest.raises(InputError, match="expected"):
        decoder.push(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("samples", [0, 1, 319, 321, 641])
def test_lengths_are_checked(codec: Codec, samples: int) -> None:
    with pytest.raises(InputError, match=r"expected whole frames of 320"):
        codec.encoder().push(np.zeros(samples, np.float32))


@pytest.mark.parametrize("pcm", [np.zeros(HOP), np.zeros((1, HOP), np.float32), [0.0] * HOP])
def test_types_are_checked(codec: Codec, pcm: object) -> None:
    with pytest.raises(InputError, match=r"expected a float32 array of shape \(n,\)"):
        codec.encoder().push(pcm)  # type: ignore[arg-type]


def test_indices_are_checked(codec: Codec) -> None:
    decoder = codec.decoder()
    with pytest.raises(InputError, match="a frame has 5 indices"):
        decoder.push(np.zeros(5, np.uint8))
    with pytest.raises(InputError, match="out of range"):
        decoder.push(np.array([144, 85, 0], np.uint8))
    with pytest.raises(InputError, match="expected integers"):
        decoder.push(np.zeros(3, np.float32))
    assert decoder.push(np.array([144, 84, 84], np.uint8)).shape == (HOP,)


def test_the_shipped_model_shapes_its_noise(codec: Codec, clip: Pcm) -> None:
    """What rounding does to the latents is, averaged over a few frames, nearer to nothing than
    what snapping each frame by itself does."""
    latents = codec.encoder(6).latents(clip)
    shaped, alone = codec.encoder(6).quantize(latents), codec.lattice.nearest(latents)
    assert (shaped != alone).any()

    def slow_error(indices: NDArray[np.uint8]) -> float:
        error = codec.lattice.point(indices) - latents
        over_four = np.lib.stride_tricks.sliding_window_view(error, 4, axis=0).mean(-1)
        return float(np.square(over_four).mean())

    assert slow_error(shaped) < 0.9 * slow_error(alone)


def test_the_network_counts_its_noise_as_the_number_of_the_frame_says(
    codec: Codec, clip: Pcm
) -> None:
    """So a decoder sets it only where frames were left out."""
    numbers = codec.encoder("6").push(clip)
    straight, told = codec.decoder(), codec.decoder()
    expected = straight.push(numbers)
    for n, row in enumerate(numbers):
        told.seek(n + 4096)  # where noise is the same, so every frame is a jump
        np.testing.assert_array_equal(told.push(row), expected[n * HOP : (n + 1) * HOP])
        told.seek(n)


def test_packets_are_what_indices_are(codec: Codec, clip: Pcm) -> None:
    """The face of bytes gives the sound of the face of indices, at every rate and length."""
    for rate in codec.rates:
        by_bytes, by_index = codec.encoder(rate), codec.encoder(rate)
        heard, told = codec.decoder(), codec.decoder()
        at = 0
        for frames in (1, 3, 16, 2, 7):
            pcm = clip[at * HOP : (at + frames) * HOP]
            at += frames
            packet = by_bytes.encode(pcm)
            assert Toc.from_packet(packet).rate == rate.index
            assert Toc.from_packet(packet).frames == frames
            np.testing.assert_array_equal(heard.decode(packet), told.push(by_index.push(pcm)))


def test_a_lost_packet_is_as_long_as_the_one_before(codec: Codec, clip: Pcm) -> None:
    encoder, decoder, told = codec.encoder(), codec.decoder(), codec.decoder()
    assert decoder.decode(None).shape == (HOP,)
    told.push(None)
    for frames in (3, 1, 16):
        packet = encoder.encode(clip[: frames * HOP])
        indices = codec.packets.decode(packet)
        np.testing.assert_array_equal(decoder.decode(packet), told.push(indices))
        lost = np.concatenate([told.push(None) for _ in range(frames)])
        np.testing.assert_array_equal(decoder.decode(None), lost)


def test_what_is_no_packet_leaves_the_stream_as_it_was(codec: Codec, clip: Pcm) -> None:
    encoder, untouched = codec.encoder(), codec.encoder()
    with pytest.raises(InputError, match="17 frames, expected 1 to 16"):
        encoder.encode(clip[: 17 * HOP])
    packet = encoder.encode(clip[: 5 * HOP])
    assert packet == untouched.encode(clip[: 5 * HOP])
    decoder, other = codec.decoder(), codec.decoder()
    decoder.decode(packet)
    other.decode(packet)
    for bad in (b"", packet + b"\0", b"\x70abc"):
        with pytest.raises(FormatError):
            decoder.decode(bad)
    np.testing.assert_array_equal(decoder.decode(None), other.decode(None))


@pytest.mark.parametrize("frames", [1, 3, 90])
def test_nothing_is_made_up_before_a_first_frame(codec: Codec, clip: Pcm, frames: int) -> None:
    for rate in codec.rates:
        indices = codec.encoder(rate).push(clip)
        decoder, told = codec.decoder(), codec.decoder()
        for _ in range(frames):
            assert not decoder.push(None).any()
        np.testing.assert_array_equal(decoder.push(indices[15:]), told.push(indices[15:]))
        decoder.reset()
        assert not decoder.push(None).any()


@pytest.mark.parametrize("bitrate", ["1.5", "6"])
def test_a_stream_may_begin_amid_a_word(codec: Codec, clip: Pcm, bitrate: str) -> None:
    # From the network's zero state this begins with 25 ms of noise at full scale.
    indices = codec.encoder(bitrate).push(clip)
    pcm = codec.decoder().push(indices)
    assert abs(pcm[: 5 * HOP]).max() < 2 * abs(clip[: 5 * HOP]).max()
    assert not pcm[: codec.config.lookahead].any()
    joined = codec.decoder()
    joined.push(None)
    assert abs(joined.push(indices[20:24])).max() < 2 * abs(clip[15 * HOP : 25 * HOP]).max()


@pytest.mark.parametrize("offset", [0.2, -0.9])
@pytest.mark.parametrize("bitrate", ["1.5", "6"])
def test_a_constant_offset_makes_no_burst(codec: Codec, bitrate: str, offset: float) -> None:
    encoder, decoder = codec.encoder(bitrate), codec.decoder()
    constant = np.full(HOP * 75, offset, np.float32)
    for _ in range(2):
        assert abs(decoder.push(encoder.push(constant))).max() < 0.03
        encoder.reset()
        decoder.reset()


@pytest.mark.slow
def test_the_codec_keeps_the_level(codec: Codec) -> None:
    """Decoded speech is as loud as the original: 0.3 dB off at most, mean of the bundled clips."""
    for rate in codec.rates:
        differences = []
        for path in sorted(SPEECH.glob("*.flac")):
            pcm, _ = soundfile.read(path, dtype="float32")
            pcm = pcm[: len(pcm) // HOP * HOP]
            heard = codec.decoder().push(codec.encoder(rate).push(pcm))[HOP:]
            energies = np.square(heard, dtype=np.float64).sum(), np.square(pcm[:-HOP]).sum()
            differences.append(10 * np.log10(energies[0] / energies[1]))
        assert abs(np.mean(differences)) < 0.3, (str(rate), differences)


def test_the_old_number_of_a_rate_is_understood_with_a_warning(codec: Codec) -> None:
    with pytest.warns(DeprecationWarning, match='bitrate="3"'):
        encoder = codec.encoder(rate=3)
    assert encoder.rate is codec.config.ladder[3]


def test_rates_say_what_speech_takes(codec: Codec) -> None:
    assert codec.rates == codec.config.ladder
    for rate in codec.rates:
        assert (rate.coded_kbps is None) == (codec.coder is None)
        assert rate.coded_kbps is None or rate.coded_kbps < rate.kbps


class _Misfit:
    """A decoder's graph whose feedback is for other latents."""

    def __init__(self, role: str) -> None:
        del role
        self.metadata = dict(load(CHOICES[0])._decoder_runner.metadata) | {"q2d2.feedback": "[[1]]"}

    def initial_state(self) -> tuple[()]:
        return ()

    def step(self, inputs: object, state: object) -> None:
        raise AssertionError("nothing was encoded")


def test_feedback_of_another_model_is_refused_at_once() -> None:
    with pytest.raises(ModelError, match=r"feedback has shape \(1, 1\).*\(2, 12\)"):
        Codec(_Misfit)  # type: ignore[arg-type]
