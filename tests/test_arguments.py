"""Arguments of the wrong kind give the promised error, and streams are as they were before."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import q2d2_stream
from q2d2_stream.container import Reader, Writer
from q2d2_stream.errors import Q2D2Error
from q2d2_stream.packing import pack, packed_bytes, unpack
from tests.labs.call import codec, speech_file

ODD: list[object] = [
    None, 1, -1, 99, 1.5, True, float("nan"), "x", "4", b"x", [], [1.0] * 320, {}, object(),
    np.float64(3), np.zeros(320), np.zeros((1, 320), "f4"), np.zeros((320, 1), "f4"),
    np.zeros(319, "f4"), np.zeros(0, "f4"), np.zeros((), "f4"), np.zeros(320, "i2"),
    np.full(320, np.nan, "f4"), np.full(320, 9, "f4"), np.zeros(320, object), np.zeros(6, "U1"),
    np.zeros((3, 6), complex), np.ma.zeros(320), np.zeros((2, 2, 2), np.uint8),
    np.zeros((1, 1, 6), np.uint8), np.zeros((1, 6), "f4"), np.zeros((1, 6), bool),
    np.full((1, 6), 255, np.uint8), np.full((1, 6), -1), np.zeros((1, 5), np.uint8),
    np.zeros((0, 6), np.uint8), np.full((1, 6), 2**40), io.StringIO("text"),
]  # fmt: skip


def calls(tmp_path: Path) -> dict[str, Callable[[object], object]]:
    """What takes an argument, made anew where it has a state."""
    model, sound = codec(), tmp_path / "a.wav"
    speech_file(sound, 0.1)
    coder, config = model.coder, model.config
    assert coder is not None

    def writer() -> Writer:
        return Writer(config, model.model_id, model.model_hash, coder=coder)

    def odd(function: Callable[..., object], *before: object) -> Callable[[object], object]:
        return lambda argument: function(*before, argument)

    return {
        "encoder.push": lambda x: odd(model.encoder("3").push)(x),
        "encoder.encode": lambda x: odd(model.encoder("3").encode)(x),
        "encoder.rate": lambda x: setattr(model.encoder("3"), "rate", x),
        "decoder.push": lambda x: odd(model.decoder().push)(x),
        "decoder.decode": lambda x: odd(model.decoder().decode)(x),
        "codec.encoder": odd(model.encoder),
        "find_rate": odd(config.find_rate),
        "normalised": odd(model.lattice.normalised),
        "pack": lambda x: pack(x, config),
        "unpack": lambda x: unpack(x, config, 2, 1),
        "packed_bytes": odd(packed_bytes, config, 2),
        "coder.encode": odd(coder.encode),
        "coder.decode": lambda x: coder.decode(x, 2, 1),
        "writer.push": lambda x: odd(writer().push)(x),
        "reader.feed": lambda x: odd(Reader().feed)(x),
        "load_codec": odd(q2d2_stream.load_codec, None),
        "encode_file": lambda x: q2d2_stream.encode_file(x, io.BytesIO(), codec=model),
        "encode_file, target": lambda x: q2d2_stream.encode_file(sound, x, codec=model),
        "encode_file, bitrate": lambda x: q2d2_stream.encode_file(
            sound, io.BytesIO(), codec=model, bitrate=x
        ),
        "decode_file": lambda x: q2d2_stream.decode_file(x, io.BytesIO(), codec=model),
    }  # fmt: skip


def test_whatever_comes_in_is_taken_or_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = 0
    for name, call in calls(tmp_path).items():
        for argument in ODD:
            try:
                call(argument)
            except (Q2D2Error, FileNotFoundError):
                refused += 1
            except Exception as error:
                kind = getattr(argument, "dtype", argument)
                pytest.fail(f"{name} of {type(argument).__name__} {kind}: {error!r}")
    assert refused > 500


def test_streams_are_as_they_were_before() -> None:
    model = codec()
    pcm = np.random.default_rng(0).uniform(-0.3, 0.3, 320 * 20).astype(np.float32)
    encoder, other = model.encoder("3"), model.encoder("3")
    decoder, told = model.decoder(), model.decoder()
    for at in range(0, len(pcm), 640):
        for argument in ODD[at % 3 :: 3]:
            for push in (encoder.push, encoder.encode, decoder.push, decoder.decode):
                if argument is None or getattr(argument, "shape", None) == (0, 6):
                    continue  # a loss, and nothing
                with pytest.raises(Q2D2Error):
                    push(argument)  # type: ignore[arg-type]
        indices = encoder.push(pcm[at : at + 640])
        np.testing.assert_array_equal(indices, other.push(pcm[at : at + 640]))
        np.testing.assert_array_equal(decoder.push(indices), told.push(indices))
