"""Calls between sides with several models: new weights do not end calls between versions."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from q2d2_stream.audio import NullSink, SilenceSource
from q2d2_stream.call import CallOptions, CallSession
from q2d2_stream.engine import Codec, load_codec, load_codecs
from q2d2_stream.engine.codec import MODELS
from q2d2_stream.files.file_sink import FileSink
from q2d2_stream.files.file_source import FileSource
from q2d2_stream.protocol import Endpoint, Reason
from tests.call.test_end_to_end import assert_heard
from tests.labs.call import EXACT, dial, listen, run, speech_file

pytestmark = pytest.mark.slow

onnx = pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the shipped model, and another one within it that speaks differently."""
    if not (MODELS / "decoder.onnx").exists():
        pytest.skip("there are no model weights here")
    folder = tmp_path_factory.mktemp("models")
    (folder / "older").mkdir()
    for role in ("encoder", "decoder"):
        model = onnx.load(MODELS / f"{role}.onnx")
        onnx.save(model, folder / f"{role}.onnx")
        for entry in model.metadata_props:
            if entry.key == "q2d2.model_id":
                entry.value = "older-model"
            elif entry.key == "q2d2.model_hash":
                entry.value = "0123456789abcdef"
        if role == "decoder":
            # Its sound alone: the noise of a frame follows from its number in every model.
            inverse = [t for t in model.graph.initializer if t.name.startswith("decoder.inverse.")]
            assert inverse
            for tensor in inverse:
                weights = onnx.numpy_helper.to_array(tensor)
                tensor.CopyFrom(onnx.numpy_helper.from_array(0.9 * weights, tensor.name))
        onnx.save(model, folder / "older" / f"{role}.onnx")
    return folder


@pytest.fixture(scope="module")
def models(folders: Path) -> tuple[Codec, Codec]:
    new, old = load_codecs(folders, "onnx", "fp32")
    assert new.model_hash == load_codec(folders, "onnx", "fp32").model_hash
    assert old.model_id == "older-model"
    return new, old


def offline(codec: Codec, pcm: NDArray[np.float32]) -> NDArray[np.float32]:
    frames = -(-len(pcm) // 320) + 1
    padded = np.zeros(320 * frames, np.float32)
    padded[: len(pcm)] = pcm
    return codec.decoder().push(codec.encoder("3").push(padded))


@pytest.mark.parametrize(
    ("callers", "callees", "there", "back"),
    [
        ((0, 1), (1,), 1, 1),  # a new version calls an old one
        ((1,), (0, 1), 1, 1),  # and the other way round
        ((0, 1), (0, 1), 0, 0),
        ((0, 1), (1, 0), 0, 1),  # each direction uses what its sender prefers
    ],
)
def test_each_direction_uses_the_best_that_the_other_side_has(
    tmp_path: Path,
    models: tuple[Codec, Codec],
    callers: tuple[int, ...],
    callees: tuple[int, ...],
    there: int,
    back: int,
) -> None:
    said = speech_file(tmp_path / "a.wav", 1.2), speech_file(tmp_path / "b.wav", 1.2)

    def side(line: object, which: tuple[int, ...], name: str, hears: str) -> CallSession:
        return CallSession(
            [models[number] for number in which],
            line,  # type: ignore[arg-type]
            FileSource(tmp_path / f"{name}.wav"),
            FileSink(tmp_path / f"{hears}.wav"),
            CallOptions(rate=2, playout=EXACT, hangup_at_end=name == "a", linger_s=0.3),
        )

    async def main() -> None:
        own = [Endpoint.of([models[number] for number in which]) for which in (callers, callees)]
        async with listen(own=own[1]) as listener:
            caller = side(dial(listener.port, own=own[0]), callers, "a", "at_a")
            callee = side(listener, callees, "b", "at_b")
            await asyncio.gather(callee.run(), caller.run())
        assert_heard(tmp_path / "at_b.wav", callee, offline(models[there], said[0]))
        assert_heard(tmp_path / "at_a.wav", caller, offline(models[back], said[1]))

    run(main())
    assert not np.array_equal(offline(models[0], said[0]), offline(models[1], said[0]))


def test_sides_without_a_common_model_say_what_they_have(models: tuple[Codec, Codec]) -> None:
    new, old = models

    async def main() -> None:
        async with listen(own=Endpoint.of(old)) as listener:
            line = dial(listener.port, own=Endpoint.of(new))
            closed = await CallSession(new, line, SilenceSource(), NullSink()).run()
            assert closed.reason is Reason.MODEL
            assert "older-model" in closed.text
            assert new.model_id in closed.text

    run(main())


def test_a_folder_that_is_damaged_is_left_out(
    folders: Path, models: tuple[Codec, Codec], caplog: pytest.LogCaptureFixture
) -> None:
    (folders / "broken").mkdir()
    (folders / "broken" / "decoder.onnx").write_bytes(b"no model")
    (folders / "notes").mkdir()
    found = load_codecs(folders, "onnx", "fp32")
    assert [codec.model_id for codec in found] == [codec.model_id for codec in models]
    assert "broken" in caplog.text
