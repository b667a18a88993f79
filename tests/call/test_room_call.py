"""Rooms from file to file: real relays, real codecs, a clock that jumps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from q2d2_stream.audio import NullSink, SilenceSource
from q2d2_stream.audio.pcm import pcm_to_int16
from q2d2_stream.call import CallOptions, RoomCall
from q2d2_stream.call.code_client import link_of_code
from q2d2_stream.files.file_sink import FileSink
from q2d2_stream.files.file_source import FileSource
from q2d2_stream.files.recorder import Recorder
from q2d2_stream.files.room_recorder import RoomRecorder
from q2d2_stream.protocol import Closed, Endpoint, Reason
from q2d2_stream.relay import MemoryBus, Relay, RelayLimits
from q2d2_stream.rooms import RoomCode, RoomLink
from tests.labs.call import EXACT, codec, run, speech_file, until
from tests.labs.relay import Guest, lossy, relay

pytestmark = pytest.mark.slow


def stay(
    link: RoomLink,
    name: str,
    said: Path | None = None,
    heard: Path | None = None,
    notes: list[str] | None = None,
    recorder: Recorder | None = None,
    **options: Any,
) -> RoomCall:
    """A place in a room; without files it says nothing and hears nothing."""
    return RoomCall(
        codec(),
        link,
        FileSource(said) if said is not None else SilenceSource(),
        FileSink(heard) if heard is not None else NullSink(),
        CallOptions(playout=EXACT, **options),
        name=name,
        recorder=recorder,
        notify=notes.append if notes is not None else None,
    )


@asynccontextmanager
async def running(*calls: RoomCall) -> AsyncIterator[list[asyncio.Task[Closed]]]:
    """All of them in the room; those that are there at the end leave."""
    tasks = [asyncio.create_task(call.run()) for call in calls]
    try:
        for call in calls:
            await until(call.established.is_set, "the room")
        yield tasks
    finally:
        for call in calls:
            call.hang_up()
        await asyncio.gather(*tasks)


def link_to(*relays: Relay) -> RoomLink:
    return RoomLink.new(*(f"http://127.0.0.1:{each.port}" for each in relays))


def offline(pcm: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the codec makes of a whole clip, with the frame that empties its look-ahead."""
    padded = np.zeros(320 * (-(-len(pcm) // 320) + 1), np.float32)
    padded[: len(pcm)] = pcm
    return codec().decoder().push(codec().encoder().push(padded))


def test_everybody_hears_one_voice_bit_for_bit(tmp_path: Path) -> None:
    said = speech_file(tmp_path / "said.wav", 2.0)
    wanted = np.frombuffer(pcm_to_int16(offline(said)), "<i2")

    async def main() -> None:
        async with relay() as it:
            link = link_to(it)
            ears = [stay(link, name, None, tmp_path / f"{name}.wav") for name in ("Bob", "Cleo")]
            async with running(*ears):
                for ear in ears:
                    await until(lambda: ear.members, "the other ear")  # noqa: B023
                    ear.set_gain(next(iter(ear.members)), 0.0)  # whose silence is not quite silent
                ann = stay(link, "Ann", tmp_path / "said.wav", hangup_at_end=True)
                async with running(ann) as (task,):
                    await until(lambda: ann.members.keys() and len(ann.members) == 2, "both")
                    closed = await task
                assert closed.reason is Reason.ENDED
                await until(
                    lambda: all(ear.stats().playout.played >= 151 for ear in ears), "all of it"
                )
        for ear in ears:
            stats = ear.stats()
            assert stats.playout.lost == 0
            assert stats.playout.concealed <= 4  # what the decoder holds when Ann has gone

    run(main())
    for name in ("Bob", "Cleo"):
        heard = soundfile.read(tmp_path / f"{name}.wav", dtype="int16")[0]
        at = int(np.flatnonzero(heard)[0]) - int(np.flatnonzero(wanted)[0])
        np.testing.assert_array_equal(heard[at : at + len(wanted)], wanted)


def test_the_report_tells_the_delay_of_refined_speech(tmp_path: Path) -> None:
    speech_file(tmp_path / "said.wav", 8.0)

    async def main() -> None:
        async with relay() as it:
            link = link_to(it)
            ear, ann = stay(link, "Ear"), stay(link, "Ann", tmp_path / "said.wav", rate=3)
            assert codec().rates[3].refined
            async with running(ear, ann):
                heard = ear.stats  # Ear is silent, so all that it plays is Ann's
                await until(lambda: heard().playout.delay_p50.codec_ms > 27, "refined speech")
                assert heard().playout.delay_p50.codec_ms == pytest.approx(40.0)
                assert ann.stats().playout.delay_p50.codec_ms == pytest.approx(80 / 3)

    run(main())


def test_who_comes_without_entropy_tables_hears_too(tmp_path: Path) -> None:
    """Whoever talks goes over to packets that all can read, in the middle of a word."""
    speech_file(tmp_path / "said.wav", 8.0)

    async def main() -> None:
        async with relay() as it:
            link = RoomLink.new(f"http://127.0.0.1:{it.port}")
            ann = stay(link, "Ann", tmp_path / "said.wav")
            with_tables = Guest(link, "Bob", Endpoint.of(codec()))
            own = Endpoint.of(codec()).models[0]
            without = Guest(link, "Eve", Endpoint((replace(own, coder=None),)))
            async with running(ann):
                await with_tables.enter(it.port)
                await until(lambda: heard(with_tables) > 30, "Ann's words")
                await without.enter(it.port)
                await until(lambda: heard(without) > 30, "the same for Eve")
                before = heard(with_tables)
                await until(lambda: heard(with_tables) > before + 30, "more of them")
                assert not without.session.counters.malformed
                assert not with_tables.session.counters.malformed
                for guest in (with_tables, without):
                    await guest.leave()

    def heard(guest: Guest) -> int:
        return guest.session.counters.received_frames

    run(main())


def test_two_who_talk_at_once_are_both_heard(tmp_path: Path) -> None:
    clips = {name: speech_file(tmp_path / f"{name}.wav", 2.0, clip) for name, clip in (
        ("Ann", "kathleen_en_0"), ("Bob", "kathleen_en_1"))}  # fmt: skip

    async def main() -> None:
        async with relay() as it:
            link = link_to(it)
            ear = stay(link, "Ear", None, tmp_path / "heard.wav")
            talkers = [stay(link, name, tmp_path / f"{name}.wav") for name in clips]
            # the ear first: what is said before it is there, it cannot hear
            async with running(ear), running(*talkers):
                await until(lambda: ear.stats().playout.played >= 2 * 140, "both")
                assert sorted(ear.members.values()) == ["Ann", "Bob"]

    run(main())
    heard = soundfile.read(tmp_path / "heard.wav", dtype="float32")[0]
    for said in clips.values():
        wanted = offline(said)
        score = np.correlate(heard, wanted[24_000:36_000], "valid").max()
        assert score > 0.5 * np.square(wanted[24_000:36_000]).sum()


def test_a_stay_goes_on_when_its_relay_dies(tmp_path: Path) -> None:
    speech_file(tmp_path / "said.wav", 12.0)
    notes: list[str] = []

    async def main() -> None:
        buses = [MemoryBus()]
        buses.append(MemoryBus(buses[0]))
        async with relay(buses[0]) as first, relay(buses[1]) as second:
            link = link_to(first, second)
            ear = stay(link, "Ear", notes=notes)
            ann = stay(link, "Ann", tmp_path / "said.wav")
            async with running(ear, ann):
                await until(lambda: ear.stats().playout.played > 75, "Ann")
                await first.close()
                before = ear.stats().playout.played
                await until(lambda: ear.stats().connections == ann.stats().connections == 2, "both")
                await until(lambda: ear.stats().playout.played > before + 75, "Ann again")
                assert ear.members == {next(iter(ear.members)): "Ann"}
            assert second.people == 0

    run(main())
    assert any("trying again" in note for note in notes)
    assert any("back in the room" in note for note in notes)


def test_a_relay_that_stops_hands_everybody_on(tmp_path: Path) -> None:
    speech_file(tmp_path / "said.wav", 12.0)

    async def main() -> None:
        buses = [MemoryBus()]
        buses.append(MemoryBus(buses[0]))
        async with relay(buses[0]) as first, relay(buses[1]) as second:
            link = link_to(first, second)
            ear, ann = stay(link, "Ear"), stay(link, "Ann", tmp_path / "said.wav")
            async with running(ear, ann):
                await until(lambda: ear.stats().playout.played > 75, "Ann")
                await first.stop()
                before = ear.stats().playout.played
                await until(lambda: second.people == 2, "the move")
                await until(lambda: ear.stats().playout.played > before + 75, "Ann again")

    run(main())


def test_a_room_is_recorded_and_everybody_sees_it(tmp_path: Path) -> None:
    for name, clip in (("Ann", "kathleen_en_0"), ("Bob", "kathleen_en_1")):
        speech_file(tmp_path / f"{name}.wav", 3.0, clip)
    notes: list[str] = []

    async def main() -> None:
        recorder = RoomRecorder(tmp_path / "kept", "Ear")
        async with relay() as it:
            link = link_to(it)
            ear = stay(link, "Ear", recorder=recorder)
            ann = stay(link, "Ann", tmp_path / "Ann.wav", notes=notes)
            bob = stay(link, "Bob", tmp_path / "Bob.wav")
            # the ear first: what is said before it is there, it cannot hear
            async with running(ear), running(ann, bob):
                await until(lambda: sorted(ear.members.values()) == ["Ann", "Bob"], "both names")
                silenced = next(n for n, name in ear.members.items() if name == "Bob")
                ear.set_gain(silenced, 0.0)  # is kept all the same
                await until(lambda: ear.stats().playout.played >= 2 * 210, "both")
                assert "Ear (records)" in ann.stats().peer
                assert [m.name for m in ann.stats().members if m.recording] == ["Ear"]
                assert [m.gain for m in ear.stats().members if m.name == "Bob"] == [0.0]

        recorder.close()

    run(main())
    assert "Ear records what is said here" in notes
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == [
        "Ann.wav", "Bob.wav", "Ear.wav"
    ]  # fmt: skip
    for name in ("Ann", "Bob"):
        kept = soundfile.read(tmp_path / "kept" / f"{name}.wav", dtype="int16")[0]
        said = soundfile.read(tmp_path / f"{name}.wav", dtype="float32")[0]
        wanted = np.frombuffer(pcm_to_int16(offline(said)[24_000:36_000]), "<i2")
        # A machine that is late gets silence into the track, to keep it in step.
        assert wanted[wanted != 0].tobytes() in kept[kept != 0].tobytes()


def test_a_code_is_shown_and_leads_into_the_room() -> None:
    notes: list[str] = []

    def codes() -> list[RoomCode]:
        shown = [note for note in notes if note.startswith("the code to read aloud")]
        return [RoomCode.parse(note.rpartition(" ")[2]) for note in shown]

    async def main() -> None:
        async with relay() as it:
            link = link_to(it)
            ann = stay(link, "Ann", notes=notes)
            ann.show_code()
            async with running(ann):
                await until(codes, "the code")
                assert await link_of_code(codes()[0]) == link
                assert "somebody comes by the code" in notes
                ann.show_code()
                await until(lambda: len(codes()) == 2, "another one")
                assert await link_of_code(codes()[1]) == link

    run(main())


@pytest.mark.parametrize(
    ("limits", "reason", "words"),
    [(RelayLimits(members=2), Reason.BUSY, "full"), (None, Reason.LOST, "cannot be reached")],
)
def test_why_there_is_no_room_is_said(
    limits: RelayLimits | None, reason: Reason, words: str
) -> None:
    async def main() -> None:
        async with relay(limits=limits) as it:
            link = link_to(it)
            if limits is None:
                await it.close()
                closed = await stay(link, "Ann").run()
            else:
                async with running(stay(link, "Ann"), stay(link, "Bob")):
                    closed = await stay(link, "Cleo").run()
            assert closed.reason is reason
            assert words in closed.text

    run(main())


def test_notes_names_and_mutes_are_shown() -> None:
    notes: list[str] = []

    async def main() -> None:
        async with relay() as it:
            link = link_to(it)
            ann, bob = stay(link, "Ann", notes=notes), stay(link, "Bob")
            async with running(ann, bob):
                assert ann.fingerprint == bob.fingerprint
                await until(lambda: "Bob" in ann.members.values(), "the name")
                bob.set_mute(True)
                await until(lambda: ann.stats().peer_muted, "the mute")
                await until(lambda: bob.send_text("hello all"), "the note to go")
                await until(lambda: "note: Bob: hello all" in notes, "the note")
                assert ann.stats().peer == "Bob (muted)"
            assert "Bob is in the room" in notes

    run(main())


def test_a_room_goes_by_udp_and_mends_what_is_lost(tmp_path: Path) -> None:
    """Loss between talker and relay, then between relay and listener: copies stand in for it."""
    said = tmp_path / "said.wav"
    speech_file(said, 40)

    async def main() -> None:
        async with relay() as it, lossy(it) as proxy:
            link = link_to(it)
            ann, bob = stay(link, "Ann", said), stay(link, "Bob", said)
            async with running(ann, bob):
                calls = (ann, bob)
                await until(lambda: all(call.stats().path == "udp" for call in calls), "UDP")
                for loss in ([0.15, 0.0], [0.0, 0.15]):
                    proxy.loss = loss
                    mended = sum(call.stats().playout.repaired for call in calls)
                    await until(partial(_mends, calls, mended + 40), "frames repaired")
                proxy.loss = [0.0, 0.0]
                await until(lambda: all(call.stats().path == "udp" for call in calls), "UDP again")

    run(main())


def _mends(calls: Sequence[RoomCall], frames: int) -> bool:
    return sum(call.stats().playout.repaired for call in calls) >= frames


@pytest.mark.parametrize("transport", ["websocket", "udp"])
def test_a_room_goes_by_what_was_asked_for(tmp_path: Path, transport: str) -> None:
    said = tmp_path / "said.wav"
    speech_file(said, 8)

    async def main() -> None:
        async with relay() as it:
            link = link_to(it)
            calls = [stay(link, name, said) for name in ("Ann", "Bob")]
            for call in calls:
                call._client._udp = transport != "websocket"
                call._client._udp_only = transport == "udp"
            async with running(*calls):
                await until(lambda: all(c.stats().playout.played > 100 for c in calls), "words")
                assert {call.stats().path for call in calls} == {transport}

    run(main())
