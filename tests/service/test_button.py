"""A button on a pin, as gpiozero's mock pins have it."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Iterator
from typing import Any

import pytest

from q2d2_stream.errors import DeviceError, MissingExtra
from q2d2_stream.service import push_to_talk
from tests.labs.call import until

PIN = 17


@pytest.fixture
def pins() -> Iterator[Any]:
    """Mock pins in place of a Raspberry Pi's."""
    gpiozero = pytest.importorskip("gpiozero")
    from gpiozero.pins.mock import MockFactory

    before = gpiozero.Device.pin_factory
    gpiozero.Device.pin_factory = MockFactory()
    yield gpiozero.Device.pin_factory
    gpiozero.Device.pin_factory.reset()
    gpiozero.Device.pin_factory = before


def test_the_microphone_is_open_while_the_button_is_held(pins: Any) -> None:
    muted: list[bool] = []

    async def run() -> None:
        with push_to_talk(PIN, muted.append):
            pin = pins.pin(PIN)
            pin.drive_low()
            await until(lambda: len(muted) == 2, "the press")
            pin.drive_high()
            await until(lambda: len(muted) == 3, "the release")

    asyncio.run(run())
    assert muted == [True, False, True]


def test_the_pin_is_free_afterwards(pins: Any) -> None:
    async def run() -> None:
        for _ in range(2):
            with push_to_talk(PIN, lambda muted: None):
                pass

    asyncio.run(run())


def test_a_pin_that_is_taken_is_one_sentence(pins: Any) -> None:
    import gpiozero

    async def run() -> None:
        with push_to_talk(PIN, lambda muted: None):
            pass

    with gpiozero.LED(PIN), pytest.raises(DeviceError, match="GPIO pin 17 cannot be used"):
        asyncio.run(run())


def test_without_gpiozero_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "gpiozero":
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)

    async def run() -> None:
        with push_to_talk(PIN, lambda muted: None):
            pass

    with pytest.raises(MissingExtra, match=r"q2d2-stream\[pi\]"):
        asyncio.run(run())
