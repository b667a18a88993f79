"""One member's connection: what waits for it, what it may send, and which way audio goes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from q2d2_stream.protocol.limits import TokenBucket
from q2d2_stream.relay.limits import RelayLimits
from q2d2_stream.relay.room import Outlet
from q2d2_stream.rooms.messages import is_audio
from q2d2_stream.transport.room_path import RoomPath

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

__all__ = ["MemberConnection"]

_CODES_PER_S, _CODES_BURST = 0.1, 3.0
# Of datagrams: what copies are good for. Where more are lost the link carries no more.
_MENDABLE = 0.3


class MemberConnection(Outlet):
    """Writes at once while the member keeps up; otherwise keeps the newest messages.

    Args:
        websocket: to the member.
        limits: of the relay.
        receive: called with audio that comes by UDP, and when.
        now: seconds.

    Attributes:
        dropped: messages that the member was too slow for.
        path: datagrams beside the websocket; None where the member did not ask for them.
    """

    def __init__(
        self,
        websocket: ServerConnection,
        limits: RelayLimits,
        receive: Callable[[bytes, float], None],
        now: float,
    ) -> None:
        self.dropped = 0
        self.path: RoomPath | None = None
        self._receive = receive
        self._websocket, self._limits = websocket, limits
        self._waiting: deque[tuple[bytes, bool]] = deque()
        self._messages = TokenBucket(limits.messages_per_s, limits.messages_burst, now)
        self._bytes = TokenBucket(limits.bytes_per_s, limits.bytes_burst, now)
        self._offered = self._lost = 0  # of audio, since :meth:`losses` was last asked
        self._lost_by_udp = 0.0
        self._codes = TokenBucket(_CODES_PER_S, _CODES_BURST, now)

    def may_send(self, size: int, now: float) -> bool:
        """Whether a message of the member, of ``size`` bytes, is within its limits."""
        return self._messages.take(1, now) and self._bytes.take(size, now)

    def may_open_code(self, now: float) -> bool:
        """Whether the member may ask for the number of a code."""
        return self._codes.take(1, now)

    @property
    def is_behind(self) -> bool:
        """Whether something waits: :meth:`flush` is to be called from time to time."""
        return bool(self._waiting)

    def forward(self, data: bytes, *, audio: bool) -> None:
        """As :meth:`Outlet.forward`: never blocks, and never keeps more than the limit."""
        path = self.path
        if path is not None and path.carries_audio and is_audio(data):
            path.send_message(data, time.monotonic())
            if not path.needs_websocket:
                return
        self._forward(data, audio)

    def loss(self) -> float:
        """As :meth:`Outlet.loss`."""
        share = (self.path.loss() or 0.0) if self.path is not None else 0.0
        if share <= _MENDABLE:
            return share
        self._lost_by_udp = share
        return 0.0

    # -- as PathOwner -----------------------------------------------------------------------------

    def may_take(self, size: int, now: float) -> bool:
        """The same limits as by websocket."""
        return self.may_send(size, now)

    def on_message(self, message: bytes, now: float) -> None:
        """Audio of the member has come."""
        self._receive(message, now)

    def on_echo(self, number: int, now: float) -> None:
        """The path knows all that is to be known of it."""

    def on_sent(self, size: int, now: float) -> None:
        """Nobody counts the relay's bytes."""

    def send_again(self, message: bytes) -> None:
        """The websocket carries what the datagrams may have lost."""
        self._forward(message, True)

    def _forward(self, data: bytes, audio: bool) -> None:
        self._offered += audio
        if not self._waiting and not self._is_slow():
            self._write(data)
            return
        self._waiting.append((data, audio))
        if len(self._waiting) > self._limits.backlog_messages:
            self._drop_oldest()

    def losses(self) -> float:
        """As :meth:`Outlet.losses`."""
        share = self._lost / self._offered if self._offered else 0.0
        self._offered = self._lost = 0
        share, self._lost_by_udp = max(share, self._lost_by_udp), 0.0
        return min(1.0, share)

    def flush(self) -> None:
        """Write what waits, as far as the member has caught up."""
        while self._waiting and not self._is_slow():
            self._write(self._waiting.popleft()[0])

    def _drop_oldest(self) -> None:
        """Sound before what changes who is in the room: that cannot be missed."""
        at = next((i for i, (_, audio) in enumerate(self._waiting) if audio), None)
        if at is None:  # only control waits: the member is lost, and its pings will say so
            self._waiting.popleft()
        else:
            del self._waiting[at]
            self._lost += 1
        self.dropped += 1

    def _is_slow(self) -> bool:
        unsent = self._websocket.transport.get_write_buffer_size()
        return unsent > self._limits.backlog_bytes

    def _write(self, data: bytes) -> None:
        from websockets.asyncio.server import broadcast

        broadcast([self._websocket], data)
