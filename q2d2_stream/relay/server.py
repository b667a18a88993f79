"""The relay's process: connections, admission, rooms, and a clean stop."""

from __future__ import annotations

import asyncio
import functools
import logging
import secrets
import socket
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from q2d2_stream.errors import DeviceError, HandshakeError, WireError
from q2d2_stream.relay.bus import Bus, MemoryBus
from q2d2_stream.relay.codes import CodeDesk
from q2d2_stream.relay.datagrams import DatagramPort
from q2d2_stream.relay.limits import RelayLimits
from q2d2_stream.relay.member import MemberConnection
from q2d2_stream.relay.rates import RateByAddress
from q2d2_stream.relay.room import ROSTER_S, Room, RoomCounts
from q2d2_stream.rooms.code_messages import (
    CodeAnswer,
    CodeAsk,
    CodeClose,
    CodeConfirm,
    CodeGrant,
    CodeOpen,
)
from q2d2_stream.rooms.keys import member_id, verify_admission
from q2d2_stream.rooms.messages import (
    CHALLENGE_BYTES,
    Challenge,
    Join,
    Moved,
    Ping,
    Pong,
    Refused,
    RelayMessage,
    RoomReason,
    Sent,
    decode,
    encode,
    is_audio,
)
from q2d2_stream.rooms.path_messages import PathAsk, PathOffer
from q2d2_stream.transport.address import Address
from q2d2_stream.transport.limiter import network_of
from q2d2_stream.transport.websocket_server import WebSocketServer
from q2d2_stream.web import Site
from q2d2_stream.web.serving import serve_file

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

    from q2d2_stream.transport.limited_connection import LimitedConnection

__all__ = ["Relay"]

logger = logging.getLogger(__name__)

_FLUSH_S = 0.02
_PATHS_S = 0.1
_ALL_ADDRESSES = ("::", "0.0.0.0")
_UNSENT_BYTES = 4096
_CLOSE_GOING_AWAY = 1001


class Relay:
    """Holds rooms.

    Args:
        address: where to listen.
        bus: to other relays; None for a relay alone.
        ssl_context: for ``wss://``; without one a proxy in front ends TLS.
        limits: what members and strangers may do.
        site: the page that browsers get here; None for none.
        udp: whether members may send and get audio by UDP.
        udp_port: where; None: where the websockets come, unless a proxy is in front of those.
    """

    def __init__(
        self,
        address: Address,
        bus: Bus | None = None,
        *,
        ssl_context: ssl.SSLContext | None = None,
        limits: RelayLimits | None = None,
        site: Site | None = None,
        udp: bool = True,
        udp_port: int | None = None,
    ) -> None:
        self._site = site
        self._address = address
        self._udp, self._udp_port = udp, udp_port
        self.datagrams: DatagramPort | None = None
        self._limits = limits = limits or RelayLimits()
        self._server = WebSocketServer(
            address,
            limits.strangers,
            self._serve,
            self._answer,
            ssl_context=ssl_context,
            notify=logger.warning,
            max_size=limits.message_bytes,
            ping_interval=limits.ping_s,
            ping_timeout=2 * limits.ping_s,
        )
        self._turned_away = 0
        self.bus = bus or MemoryBus()
        self.id = secrets.token_bytes(8)
        self.rooms: dict[bytes, Room] = {}
        self._members: dict[LimitedConnection, MemberConnection] = {}
        self._rooms_from: Counter[tuple[str, bytes]] = Counter()
        self._tasks: list[asyncio.Task[None]] = []
        self._joins = RateByAddress(limits.joins_per_s, limits.joins_burst)
        self._codes = CodeDesk(self.bus, self.id)
        self._of_codes: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._counts, self._dropped = RoomCounts(), 0

    @property
    def port(self) -> int:
        """The port that it listens on, once started."""
        return self._server.port

    @property
    def refused(self) -> int:
        """Connections and members that were turned away."""
        return self._turned_away + self._server.refused

    @property
    def people(self) -> int:
        """Members connected to this relay."""
        return len(self._members)

    @property
    def dropped(self) -> int:
        """Messages that members were too slow for."""
        return self._dropped + sum(member.dropped for member in self._members.values())

    def counts(self) -> RoomCounts:
        """What all rooms counted, those that are gone too."""
        total = replace(self._counts)
        for room in self.rooms.values():
            total += room.counts
        return total

    async def start(self) -> None:
        """Listen. Raises DeviceError when the address or the bus cannot be used."""
        await self.bus.start()
        try:
            await self._server.start()
            await self._open_datagrams()
        except DeviceError:
            await self._server.close()
            await self.bus.close()
            raise
        work = (self._tell, self._flush, self._keep_paths)
        self._tasks = [asyncio.create_task(each()) for each in work]

    async def _open_datagrams(self) -> None:
        """Listen for datagrams, too. A port that was asked for must be free; without one that was
        not, members come by websocket."""
        failed: OSError | None = None
        for addresses in self._datagram_addresses():
            port = DatagramPort()
            try:
                await port.open(addresses)
            except OSError as error:
                failed = error
            else:
                self.datagrams = port
                return
        if failed is None:
            return
        if self._udp_port is not None:
            text = f"--udp-port {self._udp_port} cannot be listened on ({failed.strerror})"
            raise DeviceError(text) from failed
        logger.warning("UDP is not listened on (%s): audio goes by websocket", failed.strerror)

    def _datagram_addresses(self) -> list[list[tuple[str, int]]]:
        """Sets of addresses, of which the first that works is taken."""
        if not self._udp:
            return []
        if self._udp_port is None:
            return [] if self._limits.behind_proxy else [self._server.addresses]
        if self._limits.behind_proxy:  # it passes no datagrams on: members reach the relay itself
            return [[(host, self._udp_port)] for host in _ALL_ADDRESSES]
        return [[(host, self._udp_port) for host, _ in self._server.addresses]]

    async def stop(self) -> None:
        """Send everybody elsewhere, wait until they have gone, then stop."""
        self._stopping = True
        for member in self._members.values():
            member.forward(encode(Moved()), audio=False)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.drain_s):
                while self._members:
                    await asyncio.sleep(_FLUSH_S)
        await self.close()

    async def close(self) -> None:
        """Stop at once."""
        self._stopping = True
        for task in (*self._tasks, *self._of_codes):
            task.cancel()
        await self._server.close()
        if self.datagrams is not None:
            self.datagrams.close()
        await self.bus.close()

    def _answer(
        self, connection: ServerConnection, request: Request
    ) -> Response | Awaitable[Response] | None:
        """What is asked by plain HTTP: the page, whether the relay is alive, ready for more."""
        if request.headers.get("Upgrade", "").lower() == "websocket":
            if self._stopping:
                return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "about to stop\n")
            # Pages of other sites may come, too: another relay of the room may have served them,
            # and who enters is proven by the room's key and by nothing that a browser adds.
            return None
        if request.path == "/healthz":
            return connection.respond(HTTPStatus.OK, "alive\n")
        if request.path == "/readyz":
            ready = self.bus.connected and not self._stopping
            status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
            return connection.respond(status, "ready\n" if ready else "not ready\n")
        if self._site is not None:
            return serve_file(self._site, connection, request)
        return connection.respond(HTTPStatus.NOT_FOUND, "this is a q2d2-stream relay\n")

    async def _serve(self, websocket: LimitedConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        with suppress(ConnectionClosed):
            challenge = secrets.token_bytes(CHALLENGE_BYTES)
            await websocket.send(encode(Challenge(challenge)))
            try:
                async with asyncio.timeout(self._limits.join_s):
                    join = await self._read_join(websocket)
                if isinstance(join, CodeAsk):
                    await self._serve_joiner(websocket, join)
                    return
                room = self._find_room(join, challenge, self._address_of(websocket))
            except TimeoutError:
                return
            except _NotAdmittedError as error:
                self._turned_away += 1
                await websocket.send(encode(Refused(error.reason, str(error))))
                return
            await self._hold(websocket, room, join)

    async def _read_join(self, websocket: LimitedConnection) -> Join | CodeAsk:
        try:
            message = decode(_binary(await websocket.recv()), from_member=True)
        except HandshakeError as error:
            raise _NotAdmittedError(RoomReason.VERSION, str(error)) from error
        except WireError as error:
            raise _NotAdmittedError(RoomReason.PROTOCOL, str(error)) from error
        if not isinstance(message, Join | CodeAsk):
            raise _NotAdmittedError(RoomReason.PROTOCOL, "expected to be asked to let you in")
        return message

    async def _serve_joiner(self, websocket: LimitedConnection, ask: CodeAsk) -> None:
        """One guess at a code, and the link if it is right."""
        if not self._codes.may_ask(self._address_of(websocket), time.monotonic()):
            raise _NotAdmittedError(
                RoomReason.LIMIT, "too many codes came from your address: try again in a minute"
            )
        async with self._codes.line(ask.number) as line:
            line.send(ask)
            try:
                async with asyncio.timeout(self._limits.join_s):
                    answer = await line.receive()
            except TimeoutError as error:
                raise _NotAdmittedError(
                    RoomReason.CODE, f"nobody shows a code with the number {ask.number} here now"
                ) from error
            await websocket.send(encode(answer))
            async with asyncio.timeout(self._limits.join_s):
                confirm = _decoded(await websocket.recv())
                if isinstance(confirm, CodeConfirm) and isinstance(answer, CodeAnswer):
                    line.send(confirm)
                    await websocket.send(encode(await line.receive()))

    def _address_of(self, websocket: LimitedConnection) -> str:
        if self._limits.behind_proxy and websocket.request is not None:
            forwarded = websocket.request.headers.get_all("X-Forwarded-For")
            if forwarded:
                return network_of(forwarded[-1].rpartition(",")[2].strip())
        address = websocket.remote_address
        return network_of(str(address[0])) if address else "unknown"

    def _find_room(self, join: Join, challenge: bytes, host: str) -> Room:
        """The room, made where it is the first of this relay; _NotAdmittedError otherwise."""
        limits = self._limits
        if not self._joins.take(host, time.monotonic()):
            raise _NotAdmittedError(
                RoomReason.LIMIT, "people come in from your address too fast: wait a second"
            )
        if not verify_admission(
            join.public_key, join.signature, challenge, join.room_id, join.nonce
        ):
            raise _NotAdmittedError(RoomReason.PROOF, "this is not the key of that room")
        from_there = sum(count for (place, _), count in self._rooms_from.items() if place == host)
        if len(self._members) >= limits.people or from_there >= limits.people_per_address:
            raise _NotAdmittedError(RoomReason.LIMIT, "this relay holds no more people")
        known = {room for place, room in self._rooms_from if place == host}
        if join.room_id not in known and len(known) >= limits.rooms_per_address:
            raise _NotAdmittedError(
                RoomReason.LIMIT,
                f"people from your address are in {len(known)} rooms, expected no more at once",
            )
        room = self.rooms.get(join.room_id)
        if room is None:
            if len(self.rooms) >= limits.rooms:
                raise _NotAdmittedError(RoomReason.LIMIT, "this relay holds no more rooms")
            return Room(self.id, limits.speakers, limits.members)
        if room.is_full:
            raise _NotAdmittedError(
                RoomReason.FULL, f"the room is full: {limits.members} people are in it"
            )
        if room.has(member_id(join.nonce)):
            raise _NotAdmittedError(RoomReason.AGAIN, "the number is taken, come again")
        return room

    async def _hold(self, websocket: LimitedConnection, room: Room, join: Join) -> None:
        """A member's stay in the room."""
        room_id, place = join.room_id, (self._address_of(websocket), join.room_id)

        def receive(message: bytes, now: float) -> None:
            if not member.is_gone:
                self._on_message(message, room_id, room, member, join.nonce, now)

        member = MemberConnection(websocket, self._limits, receive, time.monotonic())
        self._server.trust(websocket)
        _keep_little(websocket)
        is_first = room_id not in self.rooms
        self.rooms.setdefault(room_id, room)
        self._members[websocket] = member
        self._rooms_from[place] += 1
        try:
            roster = room.join(join.nonce, member)
            if is_first:
                await self.bus.subscribe(room_id, functools.partial(self._on_bus, room_id))
            self.bus.publish(room_id, roster)
            async for data in websocket:
                now = time.monotonic()
                if member.may_send(len(data), now):
                    self._on_message(_binary(data), room_id, room, member, join.nonce, now)
        finally:
            if self.datagrams is not None:
                self.datagrams.close_path(member)
            del self._members[websocket]
            self._dropped += member.dropped
            member.is_gone = True
            self._rooms_from[place] -= 1
            if not self._rooms_from[place]:
                del self._rooms_from[place]
            self.bus.publish(room_id, room.leave(join.nonce))
            await self._codes.close(member)
            if room.is_empty and self.rooms.get(room_id) is room:
                del self.rooms[room_id]
                self._counts += room.counts
                await self.bus.unsubscribe(room_id)

    def _on_message(
        self,
        data: bytes,
        room_id: bytes,
        room: Room,
        member: MemberConnection,
        nonce: bytes,
        now: float,
    ) -> None:
        try:
            message = decode(data, from_member=True)
        except (WireError, HandshakeError):
            room.counts.malformed += 1
            return
        if isinstance(message, Sent):
            if member.path is not None and is_audio(data) and member.path.is_copy(data):
                return
            told = room.receive(message, nonce, now)
            if told is not None:
                self.bus.publish(room_id, told)
        elif isinstance(message, Ping):
            member.forward(encode(Pong(message.time_us)), audio=True)
        elif isinstance(message, CodeAnswer | CodeGrant):
            self._codes.from_member(member, message)
        elif isinstance(message, PathAsk):
            port = self.datagrams
            offer = port.offer(member, now) if port is not None else PathOffer()
            member.forward(encode(offer), audio=False)
        elif isinstance(message, CodeClose):
            self._start(self._codes.close(member))
        elif isinstance(message, CodeOpen) and member.may_open_code(now):
            self._start(self._codes.open(member))
        elif isinstance(message, RelayMessage):
            room.counts.malformed += 1

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._of_codes.add(task)
        task.add_done_callback(self._of_codes.discard)

    def _on_bus(self, room_id: bytes, data: bytes) -> None:
        room = self.rooms.get(room_id)
        if room is not None and room.receive_from_bus(data, time.monotonic()):
            self.bus.publish(room_id, room.roster())

    async def _tell(self) -> None:
        """Tell the other relays who is here, again and again, and forget who is not told of."""
        while True:
            await asyncio.sleep(ROSTER_S)
            for room_id, room in list(self.rooms.items()):
                room.tick(time.monotonic())
                self.bus.publish(room_id, room.roster())
                for told in (room.lossy(), room.lagging()):
                    if told is not None:
                        self.bus.publish(room_id, told)

    async def _keep_paths(self) -> None:
        while self.datagrams is not None:
            await asyncio.sleep(_PATHS_S)
            self.datagrams.tick(time.monotonic())

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_S)
            for member in self._members.values():
                if member.is_behind:
                    member.flush()


class _NotAdmittedError(Exception):
    def __init__(self, reason: RoomReason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def _keep_little(websocket: LimitedConnection) -> None:
    """Let the system take little that it cannot send yet: it would be megabytes, minutes of talk,
    and nothing could be dropped of it any more."""
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    raw = websocket.transport.get_extra_info("socket")
    if option is not None and raw is not None:
        with suppress(OSError):
            raw.setsockopt(socket.IPPROTO_TCP, option, _UNSENT_BYTES)


def _decoded(data: bytes | str) -> object:
    """What a joiner says; None for what is malformed."""
    try:
        return decode(_binary(data))
    except (WireError, HandshakeError):
        return None


def _binary(data: bytes | str) -> bytes:
    """A text message is as malformed as an empty one."""
    return b"" if isinstance(data, str) else bytes(data)
