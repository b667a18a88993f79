"""A bus over NATS core: subjects without a memory, clusters and leaf nodes as NATS has them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from q2d2_stream.errors import DeviceError, MissingExtra
from q2d2_stream.relay.bus import Bus, Handler

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

__all__ = ["NatsBus"]

logger = logging.getLogger(__name__)

_CONNECT_S = 3.0
_RECONNECT_S = 0.1
_QUEUE_MESSAGES = 1024


class NatsBus(Bus):
    """One connection to NATS for all rooms of a relay.

    Args:
        servers: addresses, ``nats://host:4222``; user and password may stand in them.

    Raises MissingExtra without the package nats-py.
    """

    def __init__(self, *servers: str) -> None:
        try:
            import nats
        except ImportError as error:
            raise MissingExtra("nats-py", "relay", "--bus nats://") from error
        self._connect: Any = nats.connect
        self._servers = list(servers)
        self._client: Client | None = None
        self._subscriptions: dict[bytes, Subscription] = {}
        self._dropped = 0
        self._queue: asyncio.Queue[tuple[bytes, bytes]] = asyncio.Queue(_QUEUE_MESSAGES)
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._client is not None and self._client.is_connected

    @property
    def dropped(self) -> int:
        """Messages not published while NATS was away."""
        return self._dropped

    async def start(self) -> None:
        """Connect; once connected it connects again by itself, for ever."""
        try:
            async with asyncio.timeout(_CONNECT_S):
                self._client = await self._connect(
                    self._servers,
                    no_echo=True,
                    reconnect_time_wait=_RECONNECT_S,
                    max_reconnect_attempts=-1,
                    pending_size=0,  # nothing is kept while it is away
                    error_cb=_log_error,
                    disconnected_cb=_log_away,
                    reconnected_cb=_log_back,
                )
        except Exception as error:  # nats-py raises a dozen types, asyncio's among them
            where = ", ".join(server.rpartition("@")[2] for server in self._servers)
            raise DeviceError(
                f"NATS at {where} cannot be reached ({error or type(error).__name__}): is "
                "nats-server running there?"
            ) from error
        self._task = asyncio.create_task(self._pump(self._client))

    async def close(self) -> None:
        """Disconnect."""
        if self._task is not None:
            self._task.cancel()
        if self._client is not None:
            await self._client.close()

    async def subscribe(self, room_id: bytes, handler: Handler) -> None:
        """As :meth:`Bus.subscribe`; NATS repeats it when the connection comes back."""
        assert self._client is not None

        async def on_message(message: Msg) -> None:
            handler(message.data)

        self._subscriptions[room_id] = await self._client.subscribe(
            _subject(room_id), cb=on_message
        )

    async def unsubscribe(self, room_id: bytes) -> None:
        """As :meth:`Bus.unsubscribe`."""
        subscription = self._subscriptions.pop(room_id, None)
        if subscription is not None and self.connected:
            await subscription.unsubscribe()

    def publish(self, room_id: bytes, data: bytes) -> None:
        """As :meth:`Bus.publish`.

        By default nats-py keeps what is published while NATS is away and sends it afterwards: a
        second of old sound. So nothing is handed to it then.
        """
        if self._client is None or not self._client.is_connected:
            self._dropped += 1
            return
        try:
            self._queue.put_nowait((room_id, data))
        except asyncio.QueueFull:
            self._dropped += 1

    async def _pump(self, client: Client) -> None:
        while True:
            room_id, data = await self._queue.get()
            try:
                await client.publish(_subject(room_id), data)
            except Exception:  # nats-py's own types: away, closed, too much that waits
                self._dropped += 1


def _subject(room_id: bytes) -> str:
    return f"q2d2.room.{room_id.hex()}"


async def _log_error(error: Exception) -> None:
    logger.info("NATS: %s", error)


async def _log_away() -> None:
    logger.warning("NATS is away: rooms go on within this relay")


async def _log_back() -> None:
    logger.warning("NATS is back")
