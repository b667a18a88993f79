"""A button on a GPIO pin that opens the microphone while it is held."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from q2d2_stream.errors import DeviceError, MissingExtra

__all__ = ["push_to_talk"]

_BOUNCE_S = 0.02  # contacts of cheap buttons bounce for 5 to 10 ms


@contextmanager
def push_to_talk(pin: int, set_mute: Callable[[bool], None]) -> Iterator[None]:
    """Mute now, and unmute while the button is held, as long as the block lasts.

    Args:
        pin: BCM number of the pin; the button connects it to ground, the pull-up is the chip's.
        set_mute: called in the running event loop.

    Raises:
        MissingExtra: gpiozero is not installed.
        DeviceError: there is no such pin, or no right to use it.
    """
    try:
        import gpiozero
    except ImportError as error:
        raise MissingExtra("gpiozero", "pi", "push_to_talk") from error
    loop = asyncio.get_running_loop()

    def muter(muted: bool) -> Callable[[], None]:
        # gpiozero calls from a thread of its own.
        return lambda: _post(loop, set_mute, muted)

    try:
        button = gpiozero.Button(pin, pull_up=True, bounce_time=_BOUNCE_S)
    except Exception as error:  # gpiozero passes on what a dozen pin libraries raise
        raise DeviceError(
            f"GPIO pin {pin} cannot be used ({error}): is this a Raspberry Pi, is the user in "
            "the group gpio, and is lgpio installed?"
        ) from error
    try:
        set_mute(not button.is_pressed)
        button.when_pressed = muter(False)
        button.when_released = muter(True)
        yield
    finally:
        button.close()


def _post(loop: asyncio.AbstractEventLoop, set_mute: Callable[[bool], None], muted: bool) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(set_mute, muted)
