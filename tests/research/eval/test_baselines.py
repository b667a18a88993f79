"""The baselines: aligned, of the right length and rate, better with more bits, concealing loss."""

from __future__ import annotations

import numpy as np
import pytest

from q2d2_stream.errors import InputError, MissingExtra
from research.eval.alignment import residual_delay_ms
from research.eval.codec2 import Codec2
from research.eval.codecs import CodecUnderTest
from research.eval.opus import OpusCodec
from tests.research.eval.test_signal_metrics import noisy, voice


def installed(codec: CodecUnderTest) -> CodecUnderTest:
    try:
        codec.key()
    except MissingExtra as error:
        pytest.skip(str(error))
    return codec


@pytest.mark.parametrize("codec", [OpusCodec(6), OpusCodec(12), Codec2(3200), Codec2(1200)])
def test_aligned_and_of_the_right_length(codec: CodecUnderTest) -> None:
    pcm = voice(1.53)
    coded = installed(codec).roundtrip(pcm)
    assert coded.pcm.dtype == np.float32
    assert coded.pcm.shape == pcm.shape
    assert abs(residual_delay_ms(pcm, coded.pcm)) <= 5  # Codec2's envelope is rough


def test_opus_is_repeatable() -> None:
    pcm = voice(0.5)
    first, second = (installed(OpusCodec(6)).roundtrip(pcm).pcm for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_bits() -> None:
    pcm = voice(2.0)
    assert installed(Codec2(2400)).roundtrip(pcm).bits == 4800
    opus = installed(OpusCodec(12)).roundtrip(pcm).bits / 2000
    assert 6 < opus < 16


def test_opus_is_better_than_codec2_and_both_than_noise() -> None:
    pytest.importorskip("pesq", reason="PESQ needs the package pesq")
    from research.eval.signal_metrics import pesq_wb

    pcm = voice()
    opus, codec2 = (installed(c).roundtrip(pcm).pcm for c in (OpusCodec(12), Codec2(1200)))
    assert pesq_wb(pcm, opus) > pesq_wb(pcm, codec2) > pesq_wb(pcm, noisy(0 * pcm, 0.1))


def test_opus_conceals_what_codec2_leaves_silent() -> None:
    pcm = voice(2.0)
    lost = np.zeros(50, np.bool_)
    lost[[9, 10]] = True  # 360 to 440 ms, in the middle of a syllable
    gap = slice(365 * 24, 405 * 24)
    opus = installed(OpusCodec(12)).roundtrip(pcm, lost).pcm
    assert np.abs(opus[gap]).max() > 0.01
    codec2 = installed(Codec2(3200)).roundtrip(pcm, lost).pcm
    assert np.abs(codec2[gap]).max() < 1e-3


def test_opus_mends_what_the_next_packet_repeats() -> None:
    pytest.importorskip("pesq", reason="PESQ needs the package pesq")
    from research.eval.signal_metrics import pesq_wb

    pcm = voice()
    lost = np.random.default_rng(3).random(len(pcm) // 960) < 0.2
    plain, mended = (
        installed(codec).roundtrip(pcm, lost).pcm for codec in (OpusCodec(24), OpusCodec(24, 0.2))
    )
    assert pesq_wb(pcm, mended) > pesq_wb(pcm, plain) + 0.2


def test_refuses() -> None:
    with pytest.raises(InputError, match="3200"):
        Codec2(700)
    with pytest.raises(InputError, match="libopus"):
        installed(OpusCodec(0)).roundtrip(voice(0.5))


@pytest.mark.parametrize("late_ms", [0, 7, -12, 60])
def test_residual_delay(late_ms: int) -> None:
    pcm = voice(1.0)
    assert residual_delay_ms(pcm, np.roll(pcm, 24 * late_ms)) == pytest.approx(late_ms, abs=1)
    assert residual_delay_ms(pcm, 0 * pcm) == 0
