"""A call over a serial line: the same session, without TCP/IP."""

from __future__ import annotations

import asyncio
import time

from q2d2_stream.call.connection import Connection
from q2d2_stream.call.connector import Connector
from q2d2_stream.call.opening import run_until_ready
from q2d2_stream.protocol import (
    DEFAULT_HOLD_S,
    Call,
    CallRegistry,
    Closed,
    Endpoint,
    Limits,
    Reason,
    Role,
    Session,
)
from q2d2_stream.protocol.sealing import is_sealed
from q2d2_stream.sending import SerialLink
from q2d2_stream.transport.serial import SerialAddress, SerialPort, SerialTransport

__all__ = ["SerialConnector"]

# All four messages of the handshake, framed.
_HANDSHAKE_BYTES = 400
_TRIES = 6
_PAUSE_S = 0.5


class SerialConnector(Connector):
    """One end of a serial line. One side calls, the other waits for that.

    Args:
        address: the device.
        endpoint: what this side brings along.
        role: CLIENT calls, SERVER waits.
        is_half_duplex: only one side can be heard at a time, as on most radios: nothing is sent
            but what somebody says.
        wait_s: how long to call before giving up; at least for one handshake.

    Attributes:
        limits: of the sessions, as the line's speed allows.
    """

    def __init__(
        self,
        address: SerialAddress,
        endpoint: Endpoint,
        role: Role,
        *,
        is_half_duplex: bool = False,
        wait_s: float = 0.0,
    ) -> None:
        self.limits = _limits(address, is_half_duplex=is_half_duplex)
        self._address = address
        self._endpoint = endpoint
        self._role = role
        self._is_half_duplex = is_half_duplex
        self._wait_s = wait_s
        self._registry = CallRegistry(hold_s=DEFAULT_HOLD_S)
        self._port: SerialPort | None = None
        self._tasks: set[asyncio.Task[Closed]] = set()

    async def start(self) -> None:
        """Open the device. Raises MissingExtra or DeviceError."""
        self._port = SerialPort(self._address, is_half_duplex=self._is_half_duplex)

    async def close(self) -> None:
        """Close the device."""
        if self._port is not None:
            await self._port.close()

    @property
    def hold_s(self) -> float:
        """How long a broken call is kept."""
        return DEFAULT_HOLD_S

    async def open(self) -> Connection | Closed:
        """Call, or wait for a call."""
        if self._role is Role.SERVER:
            return await self._listen(None)
        return await self._call(Call(), self._wait_s)

    async def reopen(self, call: Call) -> Connection | Closed:
        """Carry ``call`` on over the same line."""
        if self._role is Role.SERVER:
            return await self._listen(self.hold_s)
        return await self._call(call, self.hold_s)

    async def _call(self, call: Call, patience_s: float) -> Connection | Closed:
        until = time.monotonic() + patience_s
        while True:
            self._opened.forget()
            result = await self._try(SerialTransport(self._opened), call)
            if isinstance(result, Connection) or not result.may_retry:
                return result
            if time.monotonic() > until:
                text = f"nobody answers on {self._address}: is the other side listening there?"
                return Closed(Reason.LOST, text, by_peer=False)
            await asyncio.sleep(_PAUSE_S)

    async def _listen(self, patience_s: float | None) -> Connection | Closed:
        try:
            async with asyncio.timeout(patience_s):
                while True:
                    first = await self._opened.recv()
                    if is_sealed(first):
                        continue  # of a connection that is over
                    result = await self._try(SerialTransport(self._opened, first), None)
                    if isinstance(result, Connection):
                        return result
        except TimeoutError:
            text = f"the connection broke, and the caller did not come back in {patience_s:g} s"
            return Closed(Reason.LOST, text, by_peer=False)
        except ConnectionError as error:
            return Closed(Reason.OTHER, str(error), by_peer=False)

    @property
    def _opened(self) -> SerialPort:
        assert self._port is not None
        return self._port

    async def _try(self, transport: SerialTransport, call: Call | None) -> Connection | Closed:
        session = Session(
            self._endpoint,
            self._role,
            time.monotonic(),
            call=call,
            registry=self._registry if call is None else None,
            limits=self.limits,
        )
        connection = Connection(transport, session, SerialLink(self._address.baud))
        closed = await run_until_ready(connection, connection.established, self._tasks)
        if closed is not None:
            return closed
        return connection


def _limits(address: SerialAddress, *, is_half_duplex: bool) -> Limits:
    """A slow line takes its time; on a half-duplex one nobody speaks unasked."""
    turns_s = 4 * address.turnaround_ms / 1000 if is_half_duplex else 0.0
    handshake_s = 10 * _HANDSHAKE_BYTES / address.baud + turns_s
    return Limits(
        handshake_s=2.0 + _TRIES * handshake_s,
        handshake_messages=32,
        retransmit_s=0.5 + handshake_s,
        echo_s=None,
        ping_s=3600.0 if is_half_duplex else 3.0,
        idle_s=3600.0 if is_half_duplex else 12.0,
    )
