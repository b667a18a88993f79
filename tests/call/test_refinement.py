"""Calls at the rate with refinement."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="the network of these tests is torch's")
pytest.importorskip("onnx", reason="its metadata is the exporter's")

from q2d2_stream.call import CallOptions, CallSession  # noqa: E402
from q2d2_stream.engine import Codec  # noqa: E402
from q2d2_stream.files.file_sink import FileSink  # noqa: E402
from q2d2_stream.files.file_source import FileSource  # noqa: E402
from q2d2_stream.protocol import Endpoint  # noqa: E402
from tests.call.test_end_to_end import assert_heard  # noqa: E402
from tests.labs.call import EXACT, dial, listen, run, speech_file  # noqa: E402
from tests.labs.networks import codec_of, small_net  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.slow]

FINEST = 4


@pytest.fixture(scope="module")
def codecs(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Codec]:
    """The same network with entropy tables and without."""
    net = small_net()
    return {True: codec_of(net, tmp_path_factory.mktemp("tables")), False: codec_of(net)}


def offline(codec: Codec, pcm: NDArray[np.float32], is_coded: bool) -> NDArray[np.float32]:
    frames = -(-len(pcm) // 320) + 2
    encoder = codec.encoder("6")
    encoder.coded_refinement = is_coded
    return codec.decoder().push(encoder.push(np.resize(np.pad(pcm, (0, 640)), 320 * frames)))


@pytest.mark.parametrize("has_tables", [(True, True), (True, False)], ids=["coded", "fixed"])
def test_what_is_heard_is_what_the_codec_makes(
    tmp_path: Path, codecs: dict[bool, Codec], has_tables: tuple[bool, bool]
) -> None:
    """In its fixed form where one side has no tables."""
    said = speech_file(tmp_path / "a.wav", 1.6), speech_file(tmp_path / "b.wav", 1.6)
    caller_codec, callee_codec = (codecs[each] for each in has_tables)

    def side(line: object, codec: Codec, name: str, hears: str) -> CallSession:
        return CallSession(
            codec,
            line,  # type: ignore[arg-type]
            FileSource(tmp_path / f"{name}.wav"),
            FileSink(tmp_path / f"{hears}.wav"),
            CallOptions(rate=FINEST, playout=EXACT, hangup_at_end=name == "a", linger_s=0.3),
        )

    async def main() -> None:
        async with listen(own=Endpoint.of(callee_codec)) as listener:
            line = dial(listener.port, own=Endpoint.of(caller_codec))
            caller = side(line, caller_codec, "a", "at_a")
            callee = side(listener, callee_codec, "b", "at_b")
            await asyncio.gather(callee.run(), caller.run())
        is_coded = all(has_tables)
        for heard, at, pcm in (("at_b", callee, said[0]), ("at_a", caller, said[1])):
            assert_heard(tmp_path / f"{heard}.wav", at, offline(codecs[is_coded], pcm, is_coded))
            delay = at.stats().playout.delay_p50
            assert delay.codec_ms == pytest.approx(40.0)

    run(main())
