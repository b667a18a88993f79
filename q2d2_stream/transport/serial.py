"""A serial line, and the radio modem behind it: messages framed with COBS, no TCP/IP."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from q2d2_stream.errors import DeviceError, InputError, MissingExtra
from q2d2_stream.transport.base import Transport
from q2d2_stream.transport.framing import Deframer, message_to_frame
from q2d2_stream.transport.line_pacer import LinePacer

__all__ = ["SerialAddress", "SerialPort", "SerialTransport", "parse_serial_address"]

_QUEUE_MESSAGES = 256
_READ_S = 0.05
_WRITE_S = 2.0
_BAUDS = (300, 4_000_000)


@dataclass(frozen=True)
class SerialAddress:
    """A serial device.

    Attributes:
        device: such as ``/dev/ttyUSB0`` or ``COM3``.
        baud: bits per second, 300 to 4,000,000.
        turnaround_ms: on a half-duplex line, silence before this side may send, 0 to 5000.
    """

    device: str
    baud: int = 9600
    turnaround_ms: float = 100.0

    def __str__(self) -> str:
        return f"{self.device} at {self.baud} baud"


def parse_serial_address(text: str) -> SerialAddress:
    """Read ``serial:/dev/ttyUSB0?baud=9600&turnaround=100``.

    Raises InputError for anything else.
    """
    parts = urlsplit(text)
    expected = "expected serial:DEVICE?baud=N, and &turnaround=MS on a half-duplex line"
    if parts.scheme != "serial" or not parts.path or parts.netloc or parts.fragment:
        raise InputError(f"{text!r} is not a serial line, {expected}")
    try:
        options = (
            {name: float(value) for name, value in parse_qsl(parts.query, strict_parsing=True)}
            if parts.query
            else {}
        )
    except ValueError:
        raise InputError(f"{text!r} has options that are no numbers, {expected}") from None
    baud, turnaround_ms = options.pop("baud", 9600.0), options.pop("turnaround", 100.0)
    if options:
        raise InputError(f"{text!r} has the option {next(iter(options))!r}, {expected}")
    if not (_BAUDS[0] <= baud <= _BAUDS[1] and baud == int(baud)):
        raise InputError(f"the baud rate is {baud:g}, expected {_BAUDS[0]} to {_BAUDS[1]}")
    if not 0 <= turnaround_ms <= 5000:
        raise InputError(f"the turnaround is {turnaround_ms:g} ms, expected 0 to 5000")
    return SerialAddress(parts.path, int(baud), turnaround_ms)


class SerialPort:
    """An open serial device, which outlives the connections that use it, one after the other.

    Args:
        address: the device.
        is_half_duplex: only one side can be heard at a time.

    Attributes:
        address: as given.
        is_half_duplex: as given.
        dropped: messages that nobody took in time.

    Raises MissingExtra without pyserial and cobs, DeviceError when the device cannot be opened.
    """

    def __init__(self, address: SerialAddress, *, is_half_duplex: bool = False) -> None:
        try:
            import serial
        except ImportError as error:
            raise MissingExtra("pyserial", "serial", "calls over a serial line") from error
        self.address = address
        self.is_half_duplex = is_half_duplex
        self.dropped = 0
        self._deframer = Deframer()
        self._pacer = LinePacer(
            address.baud, address.turnaround_ms / 1000 if is_half_duplex else None
        )
        self._incoming: asyncio.Queue[bytes | None] = asyncio.Queue(_QUEUE_MESSAGES)
        self._loop = asyncio.get_running_loop()
        self._is_closing = False
        self._error: str | None = None
        # TypeError: pyserial, of a device that is closed while it reads
        self._errors: tuple[type[Exception], ...] = (serial.SerialException, OSError, TypeError)
        try:
            self._device = serial.Serial(
                address.device, address.baud, timeout=_READ_S, write_timeout=_WRITE_S
            )
        except (serial.SerialException, OSError, ValueError) as error:
            raise DeviceError(
                f"{address.device} cannot be opened ({error}): check the name, and whether you "
                "may use it (on Linux: group dialout)"
            ) from error
        self._thread = threading.Thread(target=self._read, name="q2d2-serial", daemon=True)
        self._thread.start()

    @property
    def damaged(self) -> int:
        """Frames that came with bytes lost or changed."""
        return self._deframer.damaged

    async def recv(self) -> bytes:
        """The next message; raises ConnectionError when the device is gone."""
        data = await self._incoming.get()
        if data is None:
            self._incoming.put_nowait(None)
            raise ConnectionError(self._error or "the serial line was closed")
        return data

    async def send(self, data: bytes) -> None:
        """Send a message when the line is free; raises ConnectionError."""
        while (wait_s := self._pacer.wait_s(time.monotonic())) > 0:
            await asyncio.sleep(wait_s)
        if self._error is not None or self._is_closing:
            raise ConnectionError(self._error or "the serial line was closed")
        frame = message_to_frame(data)
        try:
            self._device.write(frame)
        except self._errors as error:
            raise ConnectionError(f"{self.address.device} is gone ({error})") from error
        self._pacer.wrote(len(frame), time.monotonic())

    def unsent_bytes(self) -> int:
        """Bytes that the line has not sent yet."""
        return self._pacer.unsent_bytes(time.monotonic())

    def forget(self) -> None:
        """Throw away what has come and nobody took."""
        while not self._incoming.empty():
            if self._incoming.get_nowait() is None:
                self._incoming.put_nowait(None)
                return

    async def close(self) -> None:
        """Close the device."""
        self._is_closing = True
        await asyncio.to_thread(self._thread.join)
        self._device.close()

    def _read(self) -> None:
        while not self._is_closing:
            try:
                data = self._device.read(1)
                data += self._device.read(self._device.in_waiting) if data else b""
            except self._errors as error:
                self._tell(self._end, f"{self.address.device} is gone ({error})")
                return
            if data:
                self._tell(self._take, data)

    def _tell(self, call: Any, argument: object) -> None:
        try:
            self._loop.call_soon_threadsafe(call, argument)
        except RuntimeError:  # the loop has ended
            self._is_closing = True

    def _take(self, data: bytes) -> None:
        self._pacer.heard(time.monotonic())
        for message in self._deframer.push(data):
            if self._incoming.full():
                self._incoming.get_nowait()
                self.dropped += 1
            self._incoming.put_nowait(message)

    def _end(self, text: str) -> None:
        self._error = text
        if self._incoming.full():
            self._incoming.get_nowait()
        self._incoming.put_nowait(None)


class SerialTransport(Transport):
    """One connection over a port; closing it leaves the port open for the next.

    Args:
        port: open.
        first: a message that has come already.
    """

    def __init__(self, port: SerialPort, first: bytes | None = None) -> None:
        self._port = port
        self._first = first

    @property
    def remote(self) -> str:
        """The line's name: who is at its other end the handshake tells."""
        return str(self._port.address)

    async def recv(self) -> bytes:
        """The next message."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return await self._port.recv()

    async def send(self, data: bytes) -> None:
        """Send a message when the line is free."""
        await self._port.send(data)

    def unsent_bytes(self) -> int:
        """Bytes that the line has not sent yet."""
        return self._port.unsent_bytes()

    async def close(self) -> None:
        """Leave the line; the peer has been told by the session."""
