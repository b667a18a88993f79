"""How many people a relay carries: real relays on 127.0.0.1, and members made of bare sockets.

    python tools/load_relay.py                          the table of docs/guides/rooms.md
    python tools/load_relay.py --people 800 --room 4 --talkers 1 --seconds 6 [--tls] [--relays 2]
                                                                             [--udp]

Every member does what a client does: the websocket's handshake, the admission, an introduction, and
then, if it talks, a sealed message of three frames every 40 ms; by UDP also the echoes and the
questions that keep the way open. It is one process on one thread,
since a real client costs more than the relay; what it costs itself is in the last column. Members
of a room have an address of 127.0.0.0/8 of their own, so the relay's limits are those of use.

Clients per core is people / processor time of the relay: it does not hang on what else the machine
does. Latency is from before a message is sent until a listener has read it, and does.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import resource
import select
import shutil
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from q2d2_stream.config import CodecConfig
from q2d2_stream.protocol.endpoint import LocalModel
from q2d2_stream.protocol.sealing import Sealer
from q2d2_stream.rooms import PathOffer, RoomKeys, RoomLink
from q2d2_stream.rooms.datagrams import (
    DatagramKind,
    DatagramOpener,
    DatagramSealer,
    PathBody,
)
from q2d2_stream.rooms.intro import INTRO_KIND, Intro
from q2d2_stream.rooms.messages import (
    Challenge,
    Join,
    RoomKind,
    Sent,
    Welcome,
    decode,
    encode,
)
from q2d2_stream.rooms.path_messages import PathAsk
from q2d2_stream.transport.room_path import MEMBER_ECHO_S

__all__ = ["UPGRADE", "Datagrams", "Member", "Process", "frame", "main", "running"]

_PEOPLE_MAX, _SECONDS_MAX = 4000, 60.0
_MESSAGE_S = 0.04
_FRAMES = 3
_BODY_BYTES = 13  # flags, TOC, three frames of 2.94 kbps
_SAMPLE = 8  # of so many messages one is timed
_SETTLE_S = 1.0
_FORWARDED = 4
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
UPGRADE = (
    "GET /room HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_BINARY, _PING, _PONG = 0x82, 0x89, 0x8A


def frame(opcode: int, payload: bytes) -> bytes:
    """A websocket frame of a client: masked, with zeros."""
    if len(payload) < 126:
        return bytes((opcode, 0x80 | len(payload), 0, 0, 0, 0)) + payload
    return struct.pack(">BBH", opcode, 0x80 | 126, len(payload)) + bytes(4) + payload


class Datagrams:
    """A member's UDP socket.

    Args:
        offer: of the relay.
        address: of the relay.
        source: of this side.
        recorded: gets all that is sent, where it is not None.

    Attributes:
        name: in front of questions and answers.
    """

    def __init__(
        self, offer: PathOffer, address: str, source: str, recorded: list[bytes] | None = None
    ) -> None:
        self._recorded = recorded
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((source, 0))
        self.socket.connect((address, offer.port))
        self.sealer = DatagramSealer(offer.member_key)
        self._opener = DatagramOpener(offer.relay_key)
        self.name = b"\0" + offer.token
        self._next_echo = 0.0

    def open(self) -> None:
        """Ask and answer until the relay knows the way."""
        self.socket.settimeout(5.0)
        for _ in range(2):
            self.ask()
            question = PathBody.from_bytes(self._opener.open(self.socket.recv(2048)).body)
            self.answer(question.ask)
        self.socket.setblocking(False)

    def ask(self) -> None:
        """A question, that the way stays open."""
        self._named(PathBody(random.getrandbits(32) | 1, 0, self._opener.echo))

    def answer(self, number: int) -> None:
        """The answer to one of the relay's."""
        self._named(PathBody(0, number, self._opener.echo))

    def send(self, message: bytes) -> None:
        """Audio."""
        self._send(self.sealer.seal_message(message))

    def messages(self) -> Iterator[bytes]:
        """What has come; answers and echoes, as a member does."""
        while True:
            try:
                opened = self._opener.open(self.socket.recv(2048))
            except BlockingIOError:
                return
            if opened.kind is DatagramKind.PATH:
                if number := PathBody.from_bytes(opened.body).ask:
                    self.answer(number)
            elif opened.kind is not DatagramKind.ECHO:
                if (now := time.monotonic()) >= self._next_echo:
                    self._next_echo = now + MEMBER_ECHO_S
                    echo = self._opener.echo.to_bytes()
                    self.socket.send(self.sealer.seal(DatagramKind.ECHO, echo))
                yield opened.message

    def _named(self, body: PathBody) -> None:
        self._send(self.name + self.sealer.seal(DatagramKind.PATH, body.to_bytes()))

    def _send(self, data: bytes) -> None:
        if self._recorded is not None:
            self._recorded.append(data)
        self.socket.send(data)


class Member:
    """One member's socket.

    Args:
        address: of the relay.
        source: of this side.
        keys: of the room.
        context: for TLS, or None.
    """

    def __init__(
        self, address: tuple[str, int], source: str, keys: RoomKeys, context: ssl.SSLContext | None
    ) -> None:
        nonce = RoomKeys.new_nonce()
        self.sealer = Sealer(keys.member_keys(nonce))
        self.sequence = 0
        self.received = 0
        self._data = bytearray()
        plain = socket.create_connection(address, 10.0, (source, 0))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(plain, server_hostname="localhost") if context else plain
        self.socket.sendall(UPGRADE.encode())
        while b"\r\n\r\n" not in self._data:
            self._read()
        del self._data[: self._data.index(b"\r\n\r\n") + 4]
        challenge = decode(self._next())
        assert isinstance(challenge, Challenge)
        signature = keys.sign_admission(challenge.challenge, nonce)
        self._send(encode(Join(keys.room_id, keys.public_key, signature, nonce)))
        welcome = decode(self._next())
        if not isinstance(welcome, Welcome):
            raise SystemExit(f"the relay says {welcome}")
        model = LocalModel(CodecConfig(), "load", b"load".ljust(8)).offer
        intro = Intro("somebody", (model,), 0)
        counter = self.sealer.next_control
        sealed = self.sealer.seal_control(bytes([INTRO_KIND]) + intro.to_body())
        self._send(Sent.control(counter, sealed).to_relay())
        self.socket.setblocking(False)
        self.datagrams: Datagrams | None = None
        self._where = address[0], source

    def open_datagrams(self, recorded: list[bytes] | None = None) -> None:
        """Talk and hear by UDP from now on; ``recorded`` gets what is sent so."""
        self.socket.settimeout(10.0)
        self._send(encode(PathAsk()))
        while not isinstance(offer := decode(self._next()), PathOffer):
            pass
        self.socket.setblocking(False)
        self.datagrams = Datagrams(offer, *self._where, recorded)
        self.datagrams.open()

    def talk(self) -> bytes:
        """Send a message of three frames; what was sealed."""
        sealed = self.sealer.seal_audio(self.sequence, bytes(_BODY_BYTES))
        self.sequence += _FRAMES
        message = Sent(RoomKind.VOICE, sealed).to_relay()
        if self.datagrams is not None:
            self.datagrams.send(message)
        else:
            self._send(message)
        return sealed

    def messages(self) -> Iterator[bytes]:
        """What has come, whole messages; answers pings."""
        if self.datagrams is not None:
            for message in self.datagrams.messages():
                self.received += 1
                yield message
        try:
            while True:
                data = self.socket.recv(65_536)
                if not data:
                    raise SystemExit("the relay has cut a member off")
                self._data += data
                if not isinstance(self.socket, ssl.SSLSocket) and len(data) < 65_536:
                    break
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        while (found := self._take()) is not None:
            opcode, payload = found
            if opcode == _PING:
                self.socket.send(frame(_PONG, payload))
            elif opcode == _BINARY:
                self.received += 1
                yield payload

    def _send(self, payload: bytes) -> None:
        self.socket.sendall(frame(_BINARY, payload))

    def _next(self) -> bytes:
        while (found := self._take()) is None:
            self._read()
        return found[1]

    def _read(self) -> None:
        data = self.socket.recv(4096)
        if not data:
            raise ConnectionError("the relay has cut a member off")
        self._data += data

    def _take(self) -> tuple[int, bytes] | None:
        data = self._data
        if len(data) < 2:
            return None
        size, at = data[1], 2
        if size == 126:
            if len(data) < 4:
                return None
            size, at = data[2] << 8 | data[3], 4
        if len(data) < at + size:
            return None
        found = data[0], bytes(data[at : at + size])
        del data[: at + size]
        return found


@dataclass(frozen=True)
class Load:
    """What is tried.

    Attributes:
        people: members in all.
        room: members of a room.
        talkers: of them talk, the others send nothing.
        tls: whether the relay does TLS.
        udp: whether audio goes by UDP.
        relays: 1, or 2 with NATS between: the talkers of a room on the one, the rest on the other.
        seconds: measured.
    """

    people: int
    room: int
    talkers: int
    tls: bool = False
    relays: int = 1
    udp: bool = False
    seconds: float = 6.0


class Process:
    """A process that is measured."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._stat = Path(f"/proc/{process.pid}/stat")

    @property
    def cpu_s(self) -> float:
        """Processor time so far."""
        fields = self._stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    @property
    def files(self) -> int:
        """Open files."""
        return len(list(Path(f"/proc/{self._process.pid}/fd").iterdir()))

    @property
    def rss(self) -> int:
        """Memory in use, bytes."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize()


@contextmanager
def running(command: list[str], said: str) -> Iterator[tuple[Process, int]]:
    """A process that says on standard error, with a port in it, when it is ready."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(said, line):
                yield Process(process), int(found[1])
                return
        raise SystemExit(f"{command[0]} has ended before it was ready")
    finally:
        process.terminate()
        process.stderr.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost, and its key (ECDSA, as relays have)."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext"]
    command += ["subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


def measure(load: Load) -> str:
    """A row of the table."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        context = None
        command = [sys.executable, "-m", "q2d2_stream", "relay", "--listen", "127.0.0.1:0"]
        command += ["--people", str(load.people), "--rooms", str(load.people)]
        if load.tls:
            cert, key = certificate(folder)
            command += ["--tls-cert", str(cert), "--tls-key", str(key)]
            context = ssl.create_default_context(cafile=str(cert))
        nats = None
        if load.relays > 1:
            program = shutil.which("nats-server") or "/usr/sbin/nats-server"
            nats, port = stack.enter_context(
                running([program, "-a", "127.0.0.1", "-p", "-1"], r"Listening .*:(\d+)$")
            )
            command += ["--bus", f"nats://127.0.0.1:{port}"]
        relays = [stack.enter_context(running(command, r"port (\d+)$")) for _ in range(load.relays)]
        return _measure(load, relays, nats, context)


def _measure(
    load: Load,
    relays: list[tuple[Process, int]],
    nats: Process | None,
    context: ssl.SSLContext | None,
) -> str:
    before = [process.rss for process, _ in relays]
    talkers: list[Member] = []
    listeners: list[Member] = []
    for room in range(load.people // load.room):
        keys = RoomKeys(RoomLink.new("http://127.0.0.1").secret)
        source = f"127.{1 + room // 62_500}.{room // 250 % 250}.{room % 250 + 1}"
        for number in range(load.room):
            is_talker = number < load.talkers
            port = relays[0 if is_talker else -1][1]
            member = Member(("127.0.0.1", port), source, keys, context)
            (talkers if is_talker else listeners).append(member)
            if load.udp:
                member.open_datagrams()
    poll = select.epoll()
    everybody = (*talkers, *listeners)
    members = {each.socket.fileno(): each for each in everybody}
    members |= {
        each.datagrams.socket.fileno(): each for each in everybody if each.datagrams is not None
    }
    for fileno in members:
        poll.register(fileno, select.EPOLLIN)
    sent_at: dict[bytes, float] = {}
    latencies: list[float] = []

    def run(seconds: float) -> int:
        """Everybody talks, at evenly spread moments; messages sent."""
        sent, began = 0, time.monotonic()
        kept = 0
        step = _MESSAGE_S / len(talkers)
        while (now := time.monotonic()) < began + seconds:
            while began + sent * step <= now:
                sealed = talkers[sent % len(talkers)].talk()
                if sent % _SAMPLE == 0:
                    sent_at[sealed] = time.monotonic()
                sent += 1
            if load.udp:  # a member after the other, so that all are asked for within a second
                while kept < (now - began) * len(everybody):
                    datagrams = everybody[kept % len(everybody)].datagrams
                    assert datagrams is not None
                    datagrams.ask()
                    kept += 1
            for fileno, _ in poll.poll(max(0.0, began + sent * step - time.monotonic())):
                for payload in members[fileno].messages():
                    if payload[0] == RoomKind.VOICE and (at := sent_at.get(payload[5:])):
                        latencies.append(time.monotonic() - at)
        return sent

    run(_SETTLE_S)
    rss = [
        (p.rss - b) / load.people * load.relays for (p, _), b in zip(relays, before, strict=True)
    ]
    sent_at.clear()
    latencies.clear()
    measured = [*(process for process, _ in relays), *([nats] if nats is not None else [])]
    cpu = [process.cpu_s for process in measured]
    received = sum(each.received for each in everybody)
    own, wall = time.process_time(), time.monotonic()
    sent = run(load.seconds)
    wall = time.monotonic() - wall
    own = time.process_time() - own
    used = [process.cpu_s - c for process, c in zip(measured, cpu, strict=True)]
    received = sum(each.received for each in everybody) - received
    heard = min(load.talkers, _FORWARDED)
    expected = sent / load.talkers * heard * (load.room - 1)
    for member in everybody:
        with suppress(OSError):
            member.socket.close()
            if member.datagrams is not None:
                member.datagrams.socket.close()
    shares = " + ".join(f"{100 * share / wall:.0f}" for share in used)
    quantiles = statistics.quantiles(latencies, n=100)
    carrier = "UDP beside " if load.udp else ""
    where = (
        carrier
        + ("wss" if load.tls else "ws")
        + (f", {load.relays} relays and NATS" if nats else "")
    )
    per_core = load.people / (sum(used) / wall)
    return (
        f"| {load.room}, {load.talkers} | {where} | {load.people} | {shares} | "
        f"{1e6 * sum(used) / sent:.0f} | {round(per_core, -1):.0f} | {round(per_core / 2, -1):.0f} "
        f"| {1e3 * quantiles[49]:.1f} / {1e3 * quantiles[98]:.1f} | {max(rss) / 1024:.0f} | "
        f"{100 * received / expected:.1f} | {100 * own / wall:.0f} |"
    )


_HEAD = """\
| room, who sends | by | people | % of a core | us per message in | people per core | half of it \
| p50 / p99 ms | kB each | % arrived | generator's % |
|---|---|---|---|---|---|---|---|---|---|---|"""

_TABLE = [
    Load(people, room, talkers, tls, relays, udp)
    for tls, relays, udp in (
        (False, 1, False),
        (False, 1, True),
        (True, 1, False),
        (False, 2, False),
    )
    for people, room, talkers in ((400, 4, 1), (200, 4, 4), (300, 20, 4), (100, 20, 20))
    if relays == 1 or talkers < 20
]


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, help=f"members in all, {_PEOPLE_MAX} at most")
    parser.add_argument("--room", type=int, default=4, help="members of a room (default: 4)")
    parser.add_argument("--talkers", type=int, default=1, help="who sends (default: 1)")
    parser.add_argument("--tls", action="store_true", help="by wss://")
    parser.add_argument("--udp", action="store_true", help="audio by UDP")
    parser.add_argument("--relays", type=int, default=1, choices=(1, 2), help="2: by way of NATS")
    parser.add_argument("--seconds", type=float, default=6.0, help="measured (default: 6)")
    args = parser.parse_args()
    if args.people is None:
        loads = _TABLE
    else:
        loads = [
            Load(
                args.people, args.room, args.talkers, args.tls, args.relays, args.udp, args.seconds
            )
        ]  # fmt: skip
    for load in loads:
        if not (
            1 <= load.talkers <= load.room <= load.people <= _PEOPLE_MAX
            and load.seconds <= _SECONDS_MAX
        ):
            parser.error(
                f"expected talkers <= room <= people <= {_PEOPLE_MAX}, seconds <= {_SECONDS_MAX:g}"
            )
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    print(_HEAD)
    for load in loads:
        print(measure(load), flush=True)
    print(f"load of the machine: {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
