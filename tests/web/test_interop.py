"""The browser client's protocol, in node, with real listeners, relays and members of Python."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import q2d2_stream
from q2d2_stream.call.live_room import LiveRoom
from q2d2_stream.rooms import (
    CodeShown,
    MemberLeft,
    MemberNamed,
    Recording,
    RoomKeys,
    RoomLink,
)
from tests.labs.call import TcpProxy, codec, free_port, speech_file, start_command, until
from tests.labs.call import run_in_real_time as run
from tests.labs.node_client import NodeClient, node_client
from tests.labs.npm import install
from tests.labs.relay import Guest
from tests.labs.relay import relay as server

pytestmark = [pytest.mark.slow, pytest.mark.net]

CODE = "7-guitar-orbit-velvet"


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    install()
    codec()


@contextmanager
def listening(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that listens already."""
    process = start_command(*arguments)
    try:
        assert process.stderr is not None
        assert any("listening" in line for line in process.stderr)
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def relay(port: int) -> Iterator[subprocess.Popen[str]]:
    listen = ("--listen", f"127.0.0.1:{port}", "--no-web")
    process = subprocess.Popen(
        [sys.executable, "-m", "q2d2_stream", "relay", *listen], stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


def rms(pcm: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(pcm, dtype=np.float64))))


async def hear(client: NodeClient, frames: int) -> None:
    """Wait until it has heard so many frames since it began."""
    while (await client.stats())["heard"] < frames:
        await asyncio.sleep(0.1)


def test_a_caller_says_again_what_a_listener_said(tmp_path: Path) -> None:
    said = speech_file(tmp_path / "said.wav", 4.0)
    port = free_port()
    sound = ("--input", str(tmp_path / "said.wav"), "--output", str(tmp_path / "heard.wav"))
    end = ("--hangup-at-end", "--stats-json", str(tmp_path / "stats.json"))

    async def call() -> None:
        url = f"ws://127.0.0.1:{port}/"
        typed = CODE.upper().replace("-", " ")
        async with node_client(url=url, secret="8-wrong-code-here") as stranger:
            ended = await stranger.wait_for("ended")
            assert (ended["problem"], ended["byPeer"]) == ("secret", True)
        async with node_client(url=url, secret=typed) as client:
            opened = await client.wait_for("opened")
            assert opened["authenticated"]
            await client.wait_for("named", member=0, isHeard=True)
            client.tell("text", text="heard you")
            client.tell("report")
            await client.wait_for("report")
            await hear(client, 60)
            stats = await client.stats()
            assert stats["counters"]["forged"] == 0
            assert 0 < stats["sent"]["codec"] < stats["sent"]["wire"]
            ended = await client.wait_for("ended")
            assert (ended["problem"], ended["byPeer"]) == ("ended", True)

    with listening(
        "call", "--listen", f"127.0.0.1:{port}", "--secret", CODE, "--rate", "3", *sound, *end
    ) as listener:
        run(call())
        _, errors = listener.communicate(timeout=60)
    assert listener.returncode == 0, errors
    assert "wrong guess" in errors
    assert "heard you" in errors
    heard, _ = soundfile.read(tmp_path / "heard.wav", dtype="float32")
    # A machine too busy to play in time hears less.
    assert len(heard) > 0.6 * len(said)
    assert rms(heard) > 0.3 * rms(said)


def test_a_call_goes_on_over_another_connection(tmp_path: Path) -> None:
    speech_file(tmp_path / "said.wav", 30.0)
    sound = ("--input", str(tmp_path / "said.wav"), "--output", "null", "--no-auth")
    port = free_port()

    async def call() -> None:
        async with (
            TcpProxy(port) as proxy,
            node_client(url=f"ws://127.0.0.1:{proxy.port}/") as client,
        ):
            assert not (await client.wait_for("opened"))["authenticated"]
            client.tell("mute", muted=True)
            await hear(client, 30)
            proxy.cut()
            await client.wait_for("state", state="reconnecting")
            await client.wait_for("opened", isFirst=False)
            heard = (await client.stats())["heard"]
            await hear(client, heard + 30)
            assert not client.of("left"), "the stream goes on"
            client.tell("hang up")
            ended = await client.wait_for("ended")
            assert (ended["problem"], ended["byPeer"]) == ("ended", False)

    with listening("call", "--listen", f"127.0.0.1:{port}", *sound) as listener:
        run(call())
        _, errors = listener.communicate(timeout=60)
    assert listener.returncode == 0, errors
    assert "reconnected" in errors
    assert "muted" in errors


def test_a_member_of_a_room_whose_relays_die(speech: NDArray[np.float32]) -> None:
    ports = free_port(), free_port()
    link = RoomLink.new(*(f"http://127.0.0.1:{port}" for port in ports))
    said: list[str] = []
    notes: list[str] = []

    async def talk(room: LiveRoom) -> None:
        while True:
            await room.send(speech[:24_000])

    async def stay(first: subprocess.Popen[str], second: subprocess.Popen[str]) -> None:
        async with (
            q2d2_stream.join(
                link, codec=codec(), name="Ann", wait_s=60, notify=said.append,
                on_text=notes.append,
            ) as room,
            node_client(link=str(link), name="Ada\x07") as client,
        ):  # fmt: skip
            talking = asyncio.create_task(talk(room))
            opened = await client.wait_for("opened")
            assert opened["fingerprint"] == RoomKeys(link.secret).fingerprint
            await client.wait_for("named", name="Ann", isHeard=True)
            await until(lambda: any("Ada\N{REPLACEMENT CHARACTER}" in s for s in said), "a name")
            client.tell("text", text="hello")
            client.tell("mute", muted=True)
            assert room.text("good day")
            room.mute()
            await client.wait_for("text", text="good day")
            await client.wait_for("mute", muted=True)
            await until(lambda: any("hello" in note for note in notes), "a note")
            room.mute(False)
            await hear(client, 30)
            # One relay is stopped in good order, the next one dies; the first is there again.
            first.send_signal(signal.SIGTERM)
            await client.wait_for("opened", 2)
            await client.wait_for("named", 2, name="Ann")
            await hear(client, (await client.stats())["heard"] + 30)
            with relay(ports[0]):
                second.kill()
                await client.wait_for("state", 2, state="reconnecting")
                await client.wait_for("opened", 3)
                await client.wait_for("named", 3, name="Ann")
                await hear(client, (await client.stats())["heard"] + 30)
                client.tell("hang up")
                await client.wait_for("ended", problem="ended")
                await until(lambda: any("has left" in sentence for sentence in said[-2:]), "a bye")
                talking.cancel()
                room.hang_up()

    with relay(ports[0]) as first, relay(ports[1]) as second:
        run(stay(first, second))


def test_nobody_there_and_a_link_of_another_room() -> None:
    port = free_port()

    async def try_them() -> None:
        async with node_client(url=f"ws://127.0.0.1:{port}/", waitS=0) as client:
            assert (await client.wait_for("ended"))["problem"] == "unreachable"
        link = RoomLink.new(f"http://127.0.0.1:{port}")
        async with node_client(link=str(link), waitS=0.5) as client:
            assert (await client.wait_for("ended"))["problem"] == "unreachable"
            assert client.of("trouble")

    run(try_them())


def test_a_code_leads_into_a_room_where_somebody_records() -> None:
    async def main() -> None:
        async with server() as it:
            link = RoomLink.new(f"http://127.0.0.1:{it.port}")
            ann = await Guest(link, "Ann").enter(it.port)
            ann.session.show_code(link)
            ann.session.send(Recording(True))
            await ann.flush()
            await until(lambda: any(isinstance(e, CodeShown) for e in ann.events), "a code")
            (shown,) = [e.code for e in ann.events if isinstance(e, CodeShown)]
            number, _, host = shown.partition("-")[0], *shown.partition("@")[1:]
            async with node_client(code=f"{number}-wrong-words@{host}") as stranger:
                assert (await stranger.wait_for("ended"))["problem"] == "secret"
            async with node_client(code=shown.replace("-", " "), name="Bob") as client:
                await client.wait_for("opened", fingerprint=ann.keys.fingerprint)
                await client.wait_for("named", name="Ann", isHeard=False)  # of another model
                await client.wait_for("recording", on=True)
                await until(
                    lambda: any(isinstance(e, MemberNamed) and e.name == "Bob" for e in ann.events),
                    "Bob",
                )
                client.tell("hang up")
                await client.wait_for("ended")
                await until(lambda: any(isinstance(e, MemberLeft) for e in ann.events), "a bye")
            await ann.leave()

    run(main())
