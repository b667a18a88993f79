"""What strangers and a malicious member can do to a relay, and to those who talk on it.

    python -m tools.attack_relay [ATTACK ...] [--seconds 6]      all attacks by default

Every attack gets a relay of its own on 127.0.0.1, with Ann and Bob in a room. Ann sends 25 messages
a second, Bob reads them, and twice a second somebody with the link comes in anew. The attack is a
process of its own, bounded in time. Reported is what became of the three, and of the relay. Run it
against your own checkout only.

In attacks by UDP Ann and Bob talk by UDP, and "back" is what the relay sent to the attacker, or to
the address that the attacker pointed at, for each byte that it got of it.
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from q2d2_stream.rooms import RoomKeys, RoomLink
from q2d2_stream.rooms.code_messages import CodeAsk
from q2d2_stream.rooms.datagrams import DatagramKind, EchoBody, PathBody
from q2d2_stream.rooms.messages import Join, Ping, RoomKind, Sent, encode
from tools.load_relay import UPGRADE, Member, frame, running

__all__ = ["ATTACKS", "main"]

_BINARY = 0x82
_SECONDS_MAX = 60.0
_AT_ONCE = 300
_MESSAGE_S, _ENTER_S = 0.04, 0.5
_ADDRESSES = [f"127.0.9.{number}" for number in range(1, 5)]


class Attacker:
    """One attack's process.

    Args:
        port: of the relay.
        link: to the room of Ann and Bob; strangers do not use it.
        until: when to end.
    """

    def __init__(self, port: int, link: RoomLink, until: float) -> None:
        self._address = ("127.0.0.1", port)
        self._keys = RoomKeys(link.secret)
        self._until = until
        self.sent = 0
        self.bytes_sent = self.bytes_back = 0

    def _goes_on(self) -> bool:
        return time.monotonic() < self._until

    def _connect(self, *, upgrade: bool = True) -> socket.socket:
        made = socket.create_connection(self._address, 2.0, (random.choice(_ADDRESSES), 0))
        if upgrade:
            made.sendall(UPGRADE.encode())
        self.sent += 1
        return made

    def _again_and_again(self, say: Callable[[socket.socket], None], *, upgrade: bool) -> None:
        """Connections that say something and stay; the oldest goes when there are many."""
        held: list[socket.socket] = []
        while self._goes_on():
            with suppress(OSError):
                made = self._connect(upgrade=upgrade)
                held.append(made)
                say(made)
            if len(held) > _AT_ONCE:
                held.pop(0).close()

    def _member(self) -> Member:
        return Member(self._address, random.choice(_ADDRESSES), self._keys, None)

    def silent(self) -> None:
        """Connections that say nothing."""
        self._again_and_again(lambda made: None, upgrade=False)

    def half_open(self) -> None:
        """Websockets that never ask to be let in."""
        self._again_and_again(lambda made: None, upgrade=True)

    def garbage(self) -> None:
        """Random bytes in place of JOIN."""

        def say(made: socket.socket) -> None:
            kind = random.choice([*RoomKind, 0, 255])
            made.sendall(frame(_BINARY, bytes([kind]) + random.randbytes(random.randrange(200))))

        self._again_and_again(say, upgrade=True)

    def oversized(self) -> None:
        """A message of a megabyte in place of JOIN."""
        big = bytes((_BINARY, 0xFF)) + (1 << 20).to_bytes(8, "big") + bytes(4) + bytes(1 << 20)
        self._again_and_again(lambda made: made.sendall(big), upgrade=True)

    def squat(self) -> None:
        """Ann's room with another key, and as many rooms of their own as there may be."""
        held: list[Member] = []
        while self._goes_on():
            with suppress(OSError, SystemExit):
                made = self._connect()
                own = RoomKeys(RoomLink.new("http://127.0.0.1").secret)
                join = Join(self._keys.room_id, own.public_key, bytes(64), RoomKeys.new_nonce())
                made.sendall(frame(_BINARY, encode(join)))
                made.close()
            with suppress(OSError, SystemExit, AssertionError):
                held.append(Member(self._address, random.choice(_ADDRESSES), own, None))

    def guess(self) -> None:
        """Guesses at codes that somebody may show."""

        def say(made: socket.socket) -> None:
            ask = CodeAsk(random.randrange(1, 100), b"A" + random.randbytes(32))
            made.sendall(frame(_BINARY, encode(ask)))

        self._again_and_again(say, upgrade=True)

    def flood(self) -> None:
        """A member that sends as much as it can."""
        payload = Sent(RoomKind.VOICE, b"\x80" + random.randbytes(29)).to_relay()
        self._pour([frame(_BINARY, payload)] * 50)

    def large(self) -> None:
        """A member that sends the longest messages."""
        self._pour([frame(_BINARY, Sent(RoomKind.VOICE, random.randbytes(1400)).to_relay())] * 5)

    def pings(self) -> None:
        """A member that asks for answers and does not read them."""
        self._pour([frame(_BINARY, encode(Ping(1))), frame(0x89, b"x" * 100)] * 25, read=False)

    def replay(self) -> None:
        """A member that sends as its own what it hears, and again."""
        heard: list[bytes] = []
        while self._goes_on():
            with suppress(OSError, SystemExit):
                member = self._member()
                while self._goes_on():
                    for message in member.messages():
                        if message[0] in (RoomKind.VOICE, RoomKind.AUDIO, RoomKind.CONTROL):
                            heard.append(message[:1] + message[5:])
                    for message in heard[-3:]:
                        member.socket.send(frame(_BINARY, message))
                        self.sent += 1
                    time.sleep(0.01)

    def churn(self) -> None:
        """Somebody with the link who comes and goes as fast as it can."""
        while self._goes_on():
            with suppress(OSError, SystemExit, AssertionError):
                self._member().socket.close()
            self.sent += 1

    def udp_garbage(self) -> None:
        """Datagrams of random bytes and lengths, from addresses of nobody."""
        sockets = [self._datagram_socket() for _ in range(20)]
        while self._goes_on():
            for each in sockets:
                self._throw(each, random.randbytes(random.choice((0, 1, 9, 27, 60, 1200, 1400))))

    def udp_tokens(self) -> None:
        """Questions with guessed tokens."""
        sockets = [self._datagram_socket() for _ in range(20)]
        while self._goes_on():
            for each in sockets:
                self._throw(each, b"\0" + random.randbytes(26))

    def udp_replay(self) -> None:
        """A member's datagrams, recorded, again from its address and from others."""
        member, recorded = self._udp_member([])
        for _ in range(25):
            member.talk()
            time.sleep(0.04)
        datagrams = member.datagrams
        assert datagrams is not None
        others = [self._datagram_socket() for _ in range(5)]
        while self._goes_on():
            for data in recorded:
                for each in (datagrams.socket, *others):
                    self._throw(each, data)

    def udp_forge(self) -> None:
        """From the address of a member, with its token, and without its key."""
        member, recorded = self._udp_member([])
        datagrams = member.datagrams
        assert datagrams is not None
        while self._goes_on():
            for data in recorded:
                self._throw(datagrams.socket, data[:-1] + bytes([data[-1] ^ 1]))

    def udp_elsewhere(self) -> None:
        """A member who asks in the name of another address, which is to get the room's audio."""
        member, _ = self._udp_member([])
        victim = self._datagram_socket()
        datagrams = member.datagrams
        assert datagrams is not None
        while self._goes_on():
            question = datagrams.sealer.seal(
                DatagramKind.PATH, PathBody(7, 0, EchoBody(0, 0)).to_bytes()
            )
            self._throw(victim, datagrams.name + question)
            guess = datagrams.sealer.seal(
                DatagramKind.PATH, PathBody(0, random.getrandbits(32), EchoBody(0, 0)).to_bytes()
            )
            self._throw(victim, datagrams.name + guess)
            time.sleep(0.02)

    def udp_flood(self) -> None:
        """A member that sends as many datagrams as it can."""
        member, _ = self._udp_member([])
        while self._goes_on():
            for _ in range(50):
                member.talk()
                self.sent += 1
            for _ in member.messages():
                pass

    def _udp_member(self, recorded: list[bytes]) -> tuple[Member, list[bytes]]:
        """A member by UDP, and all that it has sent so far and will."""
        member = self._member()
        member.open_datagrams(recorded)
        return member, recorded

    def _datagram_socket(self) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((random.choice(_ADDRESSES), 0))
        made.connect(self._address)
        made.setblocking(False)
        return made

    def _throw(self, by: socket.socket, data: bytes) -> None:
        """Send, and count what has come back."""
        with suppress(OSError):
            by.send(data)
            self.sent += 1
            self.bytes_sent += len(data)
        with suppress(OSError):
            while True:
                self.bytes_back += len(by.recv(2048))

    def _pour(self, frames: list[bytes], *, read: bool = True) -> None:
        data = b"".join(frames)
        while self._goes_on():
            with suppress(OSError, SystemExit):
                member = self._member()
                while self._goes_on():
                    with suppress(BlockingIOError):
                        self.sent += member.socket.send(data) * len(frames) // len(data)
                    if read:
                        for _ in member.messages():
                            pass
                    time.sleep(0.002)


ATTACKS = [name for name in vars(Attacker) if not name.startswith("_")]


class Witness:
    """Ann, Bob, and those who come in meanwhile.

    Args:
        port: of the relay.
        link: to their room.
        udp: whether Ann and Bob talk by UDP.
    """

    def __init__(self, port: int, link: RoomLink, udp: bool) -> None:
        self._address, self._keys = ("127.0.0.1", port), RoomKeys(link.secret)
        self._ann, self._bob = (self._enter("127.0.0.1") for _ in range(2))
        if udp:
            for each in (self._ann, self._bob):
                each.open_datagrams()
        self.delays_s: list[float] = []
        self.entries_s: list[float] = []
        self.failed = self.said = 0
        self._next_entry = 0.0
        self._sent_at: dict[bytes, float] = {}

    def _enter(self, source: str) -> Member:
        return Member(self._address, source, self._keys, None)

    def live(self, until: float) -> None:
        """Talk, listen and come in until a moment."""
        next_message = time.monotonic()
        while (now := time.monotonic()) < until:
            if now >= next_message:
                next_message += _MESSAGE_S
                self._sent_at[self._ann.talk()] = time.monotonic()
                self.said += 1
            if now >= self._next_entry:
                self._next_entry = now + _ENTER_S
                for each in (self._ann, self._bob):
                    if each.datagrams is not None:
                        each.datagrams.ask()
                try:
                    self._enter("127.0.8.1").socket.close()
                    self.entries_s.append(time.monotonic() - now)
                except (OSError, SystemExit, AssertionError):
                    self.failed += 1
            for _ in self._ann.messages():
                pass
            for message in self._bob.messages():
                if message[0] == RoomKind.VOICE and (at := self._sent_at.pop(message[5:], None)):
                    self.delays_s.append(time.monotonic() - at)
            time.sleep(0.002)


def measure(attack: str, seconds: float) -> str:
    """A row of the table."""
    command = [sys.executable, "-m", "q2d2_stream", "relay", "--listen", "127.0.0.1:0", "--no-web"]
    with running(command, r"port (\d+)$") as (relay, port):
        link = RoomLink.new(f"http://127.0.0.1:{port}")
        witness = Witness(port, link, attack.startswith("udp"))
        witness.live(time.monotonic() + 1.0)
        witness.delays_s.clear()
        witness.entries_s.clear()
        before, cpu, said = relay.rss, relay.cpu_s, witness.said
        attacker = subprocess.Popen(
            [sys.executable, "-m", "tools.attack_relay", attack, "--seconds", str(seconds),
             "--port", str(port), "--link", str(link)], stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        began, most = time.monotonic(), relay.files
        while attacker.poll() is None:
            witness.live(time.monotonic() + 0.25)
            most = max(most, relay.files)
            if time.monotonic() - began > seconds + 30:
                attacker.kill()
        wall = time.monotonic() - began
        used, grown = relay.cpu_s - cpu, relay.rss - before
        witness.live(time.monotonic() + 0.5)
        assert attacker.stdout is not None
        tried, thrown, back = map(int, attacker.stdout.read().split())
        factor = f"{back / thrown:.2f}" if thrown else ""
        arrived = len(witness.delays_s) / max(1, witness.said - said)
        delays = statistics.quantiles(witness.delays_s, n=100)
        entries = sorted(witness.entries_s)
        return (
            f"| {attack} | {tried} | {factor} | {100 * used / wall:.0f} % "
            f"| {grown / 2**20:+.1f} MB | {most} "
            f"| {100 * arrived:.1f} % | {1e3 * delays[49]:.1f} / {1e3 * delays[98]:.0f} ms "
            f"| {len(entries)} of {len(entries) + witness.failed} "
            f"| {1e3 * statistics.median(entries):.0f} / {1e3 * entries[-1]:.0f} ms |"
        )


_HEAD = """\
| attack | tries | back | of a core | memory | files | Bob hears | delay p50 / p99 | come in \
| within median / worst |
|---|---|---|---|---|---|---|---|---|---|"""


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help=", ".join(ATTACKS))
    parser.add_argument("--seconds", type=float, default=6.0, help="of each (default: 6)")
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--link", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if unknown := set(args.attacks) - set(ATTACKS):
        parser.error(f"there is no attack {unknown.pop()!r}, expected {', '.join(ATTACKS)}")
    if not 0 < args.seconds <= _SECONDS_MAX:
        parser.error(f"expected at most {_SECONDS_MAX:g} seconds")
    if args.port is not None:  # one attack's own process
        until = time.monotonic() + args.seconds
        attacker = Attacker(args.port, RoomLink.parse(args.link), until)
        getattr(attacker, args.attacks[0])()
        print(attacker.sent, attacker.bytes_sent, attacker.bytes_back)
        return
    print(_HEAD)
    for attack in args.attacks or ATTACKS:
        print(measure(attack, args.seconds), flush=True)
    print(f"load of the machine: {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
