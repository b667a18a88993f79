"""Signals end a command wherever they come."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable

import cffi
import pytest

from q2d2_stream.cli.signals import Terminated, terminating


def called_from_c(action: Callable[[], object]) -> int:
    """Python's exceptions are dropped there, and the caller gets zero."""

    def callback(wanted: int) -> int:
        action()
        return wanted

    got: int = cffi.FFI().callback("int(int)", callback)(7)
    return got


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)]
)
def test_a_signal_in_a_callback_of_c_is_not_lost(
    number: signal.Signals, error: type[BaseException]
) -> None:
    """libsndfile would take what comes of that for the end of a file."""

    def interrupted() -> None:
        assert called_from_c(lambda: signal.raise_signal(number)) == 0
        time.sleep(10)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(error), terminating():
            interrupted()
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_exceptions_that_are_dropped_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[sys.UnraisableHookArgs] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    with terminating():
        assert called_from_c(lambda: int("of the callback")) == 0
    assert [type(each.exc_value) for each in told] == [ValueError]
    told.clear()
