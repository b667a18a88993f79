"""Calls from file to file over real sockets, undisturbed and through simulated networks."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from q2d2_stream.audio.pcm import pcm_to_int16
from q2d2_stream.call import CallSession
from q2d2_stream.engine import StreamDecoder
from q2d2_stream.netsim import LinkSpec, parse_link, simulated
from q2d2_stream.protocol import Reason
from tests.labs.call import (
    EXACT,
    SECRET,
    codec,
    dial,
    listen,
    make_session,
    run,
    speech_file,
    until,
)

pytestmark = pytest.mark.slow


def offline(pcm: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """What the codec makes of a whole clip, with the frame that empties its look-ahead."""
    frames = -(-len(pcm) // 320) + 1
    padded = np.zeros(320 * frames, np.float32)
    padded[: len(pcm)] = pcm
    return codec().decoder().push(codec().encoder(codec().config.ladder[rate]).push(padded))


def assert_nothing_lost(*sides: CallSession) -> None:
    """No frame was dropped, late or made up, on any side."""
    for stats in (side.stats() for side in sides):
        assert stats.dropped_frames == stats.inbox_dropped == 0
        assert stats.playout.lost == stats.playout.underruns == stats.playout.skipped == 0


def assert_heard(path: Path, side: CallSession, expected: NDArray[np.float32]) -> None:
    heard, rate = soundfile.read(path, dtype="int16")
    assert rate == 24_000
    lead_in = side.stats().playout.lead_in_samples
    assert lead_in is not None
    wanted = np.frombuffer(pcm_to_int16(expected), "<i2")
    np.testing.assert_array_equal(heard[lead_in : lead_in + len(wanted)], wanted)
    assert not heard[:lead_in].any()


@pytest.mark.parametrize("rate", [0, 2])
def test_a_call_is_bit_equal_to_the_offline_codec(tmp_path: Path, rate: int) -> None:
    said = [
        speech_file(tmp_path / "a.wav", 1.6, "kathleen_en_0"),
        speech_file(tmp_path / "b.wav", 1.8, "kathleen_en_1"),
    ]

    async def main() -> None:
        async with listen() as listener:
            options: dict[str, Any] = {"rate": rate, "playout": EXACT}
            callee = make_session(listener, tmp_path / "a.wav", tmp_path / "at_b.wav", **options)
            caller = make_session(
                dial(listener.port),
                tmp_path / "b.wav",
                tmp_path / "at_a.wav",
                hangup_at_end=True,
                linger_s=0.2,
                **options,
            )
            ends = await asyncio.gather(callee.run(), caller.run())
            assert [end.reason for end in ends] == [Reason.ENDED, Reason.ENDED]
            assert [end.by_peer for end in ends] == [True, False]
        assert_nothing_lost(callee, caller)
        assert_heard(tmp_path / "at_b.wav", callee, offline(said[1], rate))
        assert_heard(tmp_path / "at_a.wav", caller, offline(said[0], rate))
        stats = caller.stats()
        kbps = codec().config.ladder[rate].kbps
        frames = len(said[1]) // 320 + 1
        assert stats.counters.sent_frames == frames
        nominal = pytest.approx(kbps * frames / 75, rel=0.01)
        assert stats.sent.mean_nominal_kbps * stats.seconds == nominal
        # a frame by itself takes whole bytes: 3 in place of 20 bits at the lowest rate
        assert stats.sent.mean_codec_kbps < 1.25 * stats.sent.mean_nominal_kbps
        assert stats.sent.mean_wire_kbps > 3 * stats.sent.mean_codec_kbps
        assert stats.rtt_min_ms is not None

    run(main())


def test_the_codec_never_runs_on_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()
    push = StreamDecoder.push

    def watched(self: StreamDecoder, indices: NDArray[np.uint8] | None) -> NDArray[np.float32]:
        threads.add(threading.current_thread())
        return push(self, indices)

    monkeypatch.setattr(StreamDecoder, "push", watched)
    speech_file(tmp_path / "a.wav", 0.5)

    async def main() -> None:
        async with listen() as listener:
            callee = make_session(listener)
            caller = make_session(dial(listener.port), tmp_path / "a.wav", hangup_at_end=True)
            await asyncio.gather(callee.run(), caller.run())

    run(main())
    assert threads
    assert threading.main_thread() not in threads


@pytest.mark.parametrize(
    ("spec", "share"),
    [("loss=0.02,seed=3", 0.02), ("loss=0.1,burst=2,seed=1", 0.1), ("delay=20,jitter=100", 0.0)],
)
def test_speech_goes_on_over_a_bad_network(tmp_path: Path, spec: str, share: float) -> None:
    speech_file(tmp_path / "said.wav", 5.0)

    async def main() -> None:
        link: LinkSpec = parse_link(spec)
        async with listen(wrap=simulated(link)) as listener:
            callee = make_session(listener, sink=tmp_path / "heard.wav")
            caller = make_session(dial(listener.port), tmp_path / "said.wav", hangup_at_end=True)
            ends = await asyncio.gather(callee.run(), caller.run())
        assert {end.reason for end in ends} == {Reason.ENDED}
        stats = callee.stats()
        sent = caller.stats().counters.sent_frames
        missing = 1 - stats.counters.received_frames / sent
        assert missing == pytest.approx(share, abs=0.01 + share)
        if share:
            assert stats.playout.lost > 0
            assert stats.playout.concealed > 0
        else:
            assert stats.counters.received_frames == sent
            assert stats.rtt_min_ms is not None
            assert stats.rtt_min_ms >= 20
        assert stats.playout.played > 0.5 * sent
        report = caller.stats().peer_report
        assert report is not None
        assert report.received > 0

    run(main())
    heard, _ = soundfile.read(tmp_path / "heard.wav", dtype="float32")
    assert len(heard) > 4 * 24_000
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() > 0.01


def test_mute_and_notes_reach_the_peer(tmp_path: Path) -> None:
    notes: list[str] = []

    async def main() -> None:
        async with listen(SECRET) as listener:
            callee = make_session(listener, notes=notes)
            caller = make_session(dial(listener.port, SECRET))
            tasks = [asyncio.create_task(side.run()) for side in (callee, caller)]
            await until(lambda: caller.stats().state == "talking", "the call")
            caller.set_mute(True)
            assert caller.send_text("hello\x1b[31m there")
            await until(lambda: callee.stats().peer_muted, "the mute")
            await until(lambda: any(n.startswith("note: hello") for n in notes), "the note")
            caller.hang_up()
            await asyncio.gather(*tasks)

    run(main())
    assert "the other side has muted" in notes
    assert not any("\x1b" in note for note in notes)
