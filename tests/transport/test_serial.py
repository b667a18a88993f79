"""Serial lines: addresses, and messages over pseudo terminals of a baud rate."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest

from q2d2_stream.errors import DeviceError, InputError
from q2d2_stream.transport.serial import (
    SerialAddress,
    SerialPort,
    SerialTransport,
    parse_serial_address,
)
from tests.labs.call import run

pytest.importorskip("serial")
pytest.importorskip("cobs")
if sys.platform != "win32":
    from tests.labs.serial_line import serial_line

needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo terminals")


def test_addresses() -> None:
    assert parse_serial_address("serial:/dev/ttyUSB0") == SerialAddress("/dev/ttyUSB0")
    given = parse_serial_address("serial:/dev/ttyS1?baud=2400&turnaround=250")
    assert given == SerialAddress("/dev/ttyS1", 2400, 250)
    assert parse_serial_address("serial:COM3?baud=4800") == SerialAddress("COM3", 4800)


@pytest.mark.parametrize(
    "text",
    [
        "serial:",
        "/dev/ttyUSB0",
        "serial://host/dev",
        "serial:/dev/x?baud=fast",
        "serial:/dev/x?baud=12.5",
        "serial:/dev/x?baud=0",
        "serial:/dev/x?baud",
        "serial:/dev/x?speed=9600",
        "serial:/dev/x?turnaround=-1",
    ],
)
def test_what_is_no_address_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(InputError, match="expected"):
        parse_serial_address(text)


@needs_pty
def test_messages_both_ways_at_the_speed_of_the_line() -> None:
    async def call() -> None:
        async with serial_line(9600) as line:
            ports = [SerialPort(SerialAddress(name, 9600)) for name in line.names]
            a, b = map(SerialTransport, ports)
            sent = [bytes([0x80, n]) + bytes(60) for n in range(20)]
            began = time.monotonic()
            got = await asyncio.gather(_send(a, sent), _send(b, sent), _take(a, 20), _take(b, 20))
            # 20 frames of 64 bytes take 1.3 s at 960 bytes a second, whatever the machine does
            assert time.monotonic() - began > 1.2
            assert got[2] == got[3] == sent
            for port in ports:
                await port.close()

    run(call())


@needs_pty
def test_damage_costs_frames_and_nothing_else() -> None:
    async def call() -> None:
        async with serial_line(115_200, lost=0.002, flipped=0.002) as line:
            ports = [SerialPort(SerialAddress(name, 115_200)) for name in line.names]
            a, b = map(SerialTransport, ports)
            sent = [bytes([0x01, n]) + bytes([n] * 20) for n in range(200)]
            await _send(a, sent)
            await a.send(b"\x02 the last")
            got = []
            while True:
                try:
                    got.append(await asyncio.wait_for(b.recv(), 1.0))
                except TimeoutError:
                    break
            assert 150 < len(got) < 201
            assert set(got) <= {*sent, b"\x02 the last"}
            assert ports[1].damaged > 0
            for port in ports:
                await port.close()

    run(call())


@needs_pty
def test_half_duplex_takes_turns() -> None:
    async def call() -> None:
        async with serial_line(9600, is_half_duplex=True) as line:
            ports = [
                SerialPort(SerialAddress(name, 9600, 60), is_half_duplex=True)
                for name in line.names
            ]
            a, b = map(SerialTransport, ports)
            for n in range(5):
                await a.send(bytes([0x80, n]) + bytes(100))
                assert (await b.recv())[1] == n
                await b.send(bytes([0x81, n]) + bytes(100))
                assert (await a.recv())[1] == n
            assert line.collisions == 0
            for port in ports:
                await port.close()

    run(call())


@needs_pty
def test_a_device_that_is_gone_ends_the_connection() -> None:
    async def call() -> None:
        async with serial_line(9600) as line:
            port = SerialPort(SerialAddress(line.names[0], 9600))
            transport = SerialTransport(port)
            port._device.close()
            with pytest.raises(ConnectionError):
                await transport.recv()
            with pytest.raises(ConnectionError):
                await transport.send(b"\x80 more")
            await port.close()

    run(call())


def test_a_device_that_is_not_there_is_told() -> None:
    async def call() -> None:
        with pytest.raises(DeviceError, match="cannot be opened"):
            SerialPort(SerialAddress("/dev/not-there"))

    run(call())


async def _send(transport: SerialTransport, messages: list[bytes]) -> None:
    for message in messages:
        await transport.send(message)


async def _take(transport: SerialTransport, count: int) -> list[bytes]:
    return [await transport.recv() for _ in range(count)]
