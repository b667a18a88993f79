"""Relays that go away in the middle of a room: three of them, a real nats-server, six people.

    python -m tools.prove_relays [--seconds 3]

Two people are on each relay, and all of them talk all the time, by the program's own client. Then
NATS is killed (-9) and started again after a second, a relay is killed, another one is told to end.
Reported is for how long one of them did not hear another, how old the oldest message was, and
whether everybody is there at the end. Exits with 1 where somebody is lost or something stale heard.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np

from q2d2_stream.call.relay_client import RelayClient
from q2d2_stream.call.room_connection import RoomConnection
from q2d2_stream.config import CodecConfig
from q2d2_stream.frames import AudioFrames
from q2d2_stream.protocol import Call, Endpoint
from q2d2_stream.protocol.endpoint import LocalModel
from q2d2_stream.rooms import MemberAudio, MemberNamed, Moved, RoomEvent, RoomLink
from tools.nats_server import NatsServer, free_port

__all__ = ["main"]

_MESSAGE_S, _FRAMES = 0.04, 3
_AWAY_S = 1.0
_EDGE_S = 0.1
_RETURN_S = 60.0
_SECONDS_MAX = 30.0
_CONFIG = CodecConfig()


class Person:
    """Somebody in the room who talks all the time, and comes back when a relay goes away.

    Args:
        name: of the person.
        link: to the room; its first relay is tried first.
        others: everybody, by name, for when a message was sent.
    """

    def __init__(self, name: str, link: RoomLink, others: dict[str, Person]) -> None:
        self.name = name
        self.sent_at: dict[int, float] = {}
        self.heard_at: dict[str, float] = {}
        self.silence_s: dict[str, float] = {}  # the longest since it was last looked at
        self.oldest_s = 0.0
        self.away = (math.inf, math.inf)  # from when till when NATS was
        self.stale = 0  # messages of that time that another relay sent nevertheless, afterwards
        self._others = others
        self._names: dict[int, str] = {}
        self._moved = asyncio.Event()
        self._connection: RoomConnection | None = None
        endpoint = Endpoint((LocalModel(_CONFIG, "proof", b"proof".ljust(8)),))
        self._client = RelayClient(link, endpoint, name, lambda: True)
        self._sequence = 0

    @property
    def relay(self) -> str:
        """The relay that carries this person."""
        return self._connection.remote if self._connection is not None else ""

    def hears(self, since: float) -> set[str]:
        """Who was heard since a moment."""
        return {name for name, at in self.heard_at.items() if at > since}

    async def live(self) -> None:
        """Stay in the room until cancelled."""
        call = Call()
        talking = asyncio.create_task(self._talk(call))
        try:
            while True:
                opened = await self._client.open(call, _RETURN_S)
                if not isinstance(opened, RoomConnection):
                    raise SystemExit(f"{self.name} is lost: {opened.text}")
                self._names.clear()
                self._connection = opened
                opened.attach(self._on_event)
                moved = asyncio.create_task(self._moved.wait())
                await asyncio.wait((opened.closed, moved), return_when=asyncio.FIRST_COMPLETED)
                moved.cancel()
                if self._moved.is_set():
                    self._moved.clear()
                    self._client.leave_relay()
                self._connection = None
                opened.close()
        finally:
            talking.cancel()

    async def _talk(self, call: Call) -> None:
        indices = np.zeros((_FRAMES, _CONFIG.ladder[2].pairs), np.uint8)
        next_at = time.monotonic()
        while True:
            next_at = max(next_at + _MESSAGE_S, time.monotonic())
            await asyncio.sleep(next_at - time.monotonic())
            if self._connection is not None:
                sequence, *_ = [call.take_sequence() for _ in range(_FRAMES)]
                self.sent_at[sequence] = time.monotonic()
                self._connection.send_audio(AudioFrames(sequence, sequence, indices))

    def _on_event(self, event: RoomEvent, now: float) -> None:
        if isinstance(event, MemberNamed):
            self._names[event.member] = event.name
        elif isinstance(event, Moved):
            self._moved.set()
        elif isinstance(event, MemberAudio) and (name := self._names.get(event.member)):
            self.note_silence(name, now)
            self.heard_at[name] = now
            other = self._others[name]
            sent_at = other.sent_at.get(event.frames.sequence, now)
            self.oldest_s = max(self.oldest_s, now - sent_at)
            begin, end = self.away
            self.stale += begin < sent_at < end < now and other.relay != self.relay

    def note_silence(self, name: str, now: float) -> None:
        """Count how long somebody has not been heard, until now."""
        if name in self.heard_at:
            silence_s = now - self.heard_at[name]
            self.silence_s[name] = max(self.silence_s.get(name, 0.0), silence_s)


@contextmanager
def relay(port: int, bus: str) -> Iterator[subprocess.Popen[str]]:
    """A relay's process."""
    command = [sys.executable, "-m", "q2d2_stream", "relay", "--listen", f"127.0.0.1:{port}"]
    command += ["--no-web", "--speakers", "6", "--bus", bus]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        if "relaying" not in process.stderr.readline():
            raise SystemExit("a relay does not start")
        yield process
    finally:
        process.kill()
        process.stderr.close()
        process.wait()


async def _until_all_hear(people: dict[str, Person], since: float) -> None:
    """Until everybody has heard everybody; for a minute at most, who is lost then is reported."""
    until = time.monotonic() + _RETURN_S
    while time.monotonic() < until and any(
        person.hears(since) != people.keys() - {name} for name, person in people.items()
    ):
        await asyncio.sleep(0.02)


def _report(what: str, people: dict[str, Person], since: float, more: str = "") -> bool:
    """A row; whether nobody is lost and nothing stale was heard."""
    worst = max(
        (silence, listener.name, talker)
        for listener in people.values()
        for talker, silence in listener.silence_s.items()
    )
    oldest_s = max(person.oldest_s for person in people.values())
    stale = sum(person.stale for person in people.values())
    lost = sum(person.hears(since) != people.keys() - {name} for name, person in people.items())
    print(
        f"| {what} | {worst[0]:.2f} s ({worst[1]} of {worst[2]}) | {1e3 * oldest_s:.0f} ms "
        f"| {stale} | {lost} of {len(people)} | {more} |",
        flush=True,
    )
    for person in people.values():
        person.silence_s.clear()
        person.oldest_s, person.stale = 0.0, 0
    return not stale and not lost


async def prove(seconds: float) -> bool:
    """All outages; whether nothing stale was heard."""
    nats = NatsServer()
    with ExitStack() as stack:
        stack.enter_context(nats.running())
        ports = [free_port() for _ in range(3)]
        relays = [stack.enter_context(relay(port, nats.url)) for port in ports]
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        first = RoomLink.new(*urls)
        people: dict[str, Person] = {}
        for number, name in enumerate(("Ann", "Bob", "Cleo", "Dan", "Eve", "Finn")):
            own = number % 3
            link = RoomLink(first.secret, (*urls[own:], *urls[:own]))
            people[name] = Person(name, link, people)
        tasks = [asyncio.create_task(person.live()) for person in people.values()]
        try:
            await _until_all_hear(people, -math.inf)
            for person in people.values():
                person.silence_s.clear()
                person.oldest_s = 0.0
            since = time.monotonic()
            await asyncio.sleep(seconds)
            await _until_all_hear(people, since)
            good = [_report("nothing, for comparison", people, since)]

            since = time.monotonic()
            nats.kill()
            await asyncio.sleep(_AWAY_S)
            for person in people.values():  # what is sent at its edges may get through
                person.away = (since + _EDGE_S, time.monotonic() - _EDGE_S)
            since = time.monotonic()
            nats.start()
            await _until_all_hear(people, since)
            await asyncio.sleep(seconds)
            good.append(_report(f"NATS killed, for {_AWAY_S:g} s", people, since))

            relays[1].kill()
            relays[1].wait()
            since = time.monotonic()
            await _until_all_hear(people, since)
            await asyncio.sleep(seconds)
            good.append(_report("a relay killed", people, since))

            began = time.monotonic()
            relays[2].send_signal(signal.SIGTERM)
            await asyncio.to_thread(relays[2].wait, _RETURN_S)
            since, code = time.monotonic(), relays[2].returncode
            await _until_all_hear(people, since)
            await asyncio.sleep(seconds)
            ended = f"{since - began:.2f} s, status {code}"
            good.append(_report("a relay told to end", people, since, ended))
            return all(good) and not code
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="of talk between (default: 3)")
    args = parser.parse_args()
    if not 0 < args.seconds <= _SECONDS_MAX:
        parser.error(f"expected at most {_SECONDS_MAX:g} seconds")
    print(
        "| what fails | longest silence | oldest message | stale | lost | the relay ended within |"
    )
    print("|---|---|---|---|---|---|")
    good = asyncio.run(prove(args.seconds))
    print(f"load of the machine: {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores")
    if not good:
        print(
            "FAILED: somebody is lost, something stale was heard, or a relay did not end well",
            file=sys.stderr,
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
