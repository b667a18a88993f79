"""What joins several relays: messages of a room reach every relay that has members in it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Bus", "Handler", "MemoryBus"]

Handler: TypeAlias = Callable[[bytes], None]


class Bus(ABC):
    """Publish and subscribe by room, without a memory: what nobody hears is gone.

    A relay does not hear what it publishes itself.
    """

    @property
    @abstractmethod
    def connected(self) -> bool:
        """Whether messages get through at this moment."""

    @property
    def has_others(self) -> bool:
        """Whether there may be other relays."""
        return True

    @property
    @abstractmethod
    def dropped(self) -> int:
        """Messages that were not published because the bus was away."""

    @abstractmethod
    async def start(self) -> None:
        """Connect; raises DeviceError where that fails at once."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnect."""

    @abstractmethod
    async def subscribe(self, room_id: bytes, handler: Handler) -> None:
        """Hand the room's messages to ``handler``, which must not block."""

    @abstractmethod
    async def unsubscribe(self, room_id: bytes) -> None:
        """Hear no more of the room."""

    @abstractmethod
    def publish(self, room_id: bytes, data: bytes) -> None:
        """Tell the other relays, or drop it and count that: sound that waits is stale."""


class MemoryBus(Bus):
    """A bus within one process: for a relay alone, and for several in a test.

    Args:
        others: of which this one hears, and which hear it.
    """

    def __init__(self, *others: MemoryBus) -> None:
        self._handlers: dict[bytes, Handler] = {}
        self._others = list(others)
        for other in others:
            other._others.append(self)

    @property
    def connected(self) -> bool:
        """Always."""
        return True

    @property
    def has_others(self) -> bool:
        """Those of this process."""
        return bool(self._others)

    @property
    def dropped(self) -> int:
        """None."""
        return 0

    async def start(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Leave the others."""
        for other in self._others:
            other._others.remove(self)
        self._others.clear()
        self._handlers.clear()

    async def subscribe(self, room_id: bytes, handler: Handler) -> None:
        """As :meth:`Bus.subscribe`."""
        self._handlers[room_id] = handler

    async def unsubscribe(self, room_id: bytes) -> None:
        """As :meth:`Bus.unsubscribe`."""
        self._handlers.pop(room_id, None)

    def publish(self, room_id: bytes, data: bytes) -> None:
        """As :meth:`Bus.publish`."""
        for other in self._others:
            handler = other._handlers.get(room_id)
            if handler is not None:
                handler(data)
