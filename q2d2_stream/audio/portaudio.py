"""The PortAudio library behind sounddevice: loading it, and starting it anew."""

from __future__ import annotations

import importlib
import logging
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from q2d2_stream.errors import DeviceError

__all__ = ["PortAudio", "load_sounddevice"]

_log = logging.getLogger(__name__)

_CLOSE_LIMIT_S = 2.0


def load_sounddevice() -> ModuleType:
    """The module sounddevice, imported on first use since that starts the sound system.

    Raises:
        DeviceError: it, or the PortAudio library that it needs, is not installed.
    """
    try:
        return importlib.import_module("sounddevice")
    except ImportError as error:
        raise DeviceError(
            "sound devices need the package sounddevice, which is not installed; "
            "run: pip install sounddevice"
        ) from error
    except OSError as error:
        raise DeviceError(
            f"sound devices need the PortAudio library, which cannot be loaded ({error}); "
            "run: apt-get install libportaudio2"
        ) from error


class PortAudio:
    """Starts PortAudio anew, which is the only way to make it see new devices.

    Closing a stream can hang: when a JACK server ends, PortAudio (19.6, 19.7) waits ten minutes
    for a callback that will never come, and would do so again when it is terminated. A library
    that is stuck like that is left alone, and a second copy of it is loaded in its place.

    sounddevice has no public way to do either: ``_initialize``, ``_terminate``, ``_initialized``,
    ``_lib`` and ``_ffi`` are private. They are the same from 0.4.6 to 0.5, and pyproject.toml
    allows no later series.
    """

    def __init__(self) -> None:
        self._stuck = False
        # sounddevice's callbacks must outlive the library that may still call them.
        self._abandoned: list[object] = []

    @property
    def is_stuck(self) -> bool:
        """Whether a call into the library did not come back."""
        return self._stuck

    def close(self, owner: object, *steps: Callable[[], object]) -> None:
        """Close ``owner`` by calling ``steps`` in turn, for two seconds at most.

        A step that comes back later is the last one: sounddevice's library is another one by then,
        which would crash on a stream that it does not know.
        """
        if self._stuck:  # PortAudio is not thread-safe: no call beside the one that hangs
            self._abandoned.append(owner)
            return
        given_up = threading.Event()

        def close() -> None:
            try:
                for step in steps:
                    if given_up.is_set():
                        return
                    step()
            except load_sounddevice().PortAudioError as error:  # a device that is gone
                _log.debug("closing a device: %s", error)

        closer = threading.Thread(target=close, name="closing a device", daemon=True)
        closer.start()
        closer.join(_CLOSE_LIMIT_S)
        if closer.is_alive():
            given_up.set()
            _log.debug("closing a device hangs, giving this PortAudio up")
            self._stuck = True
            self._abandoned.append(owner)
            sd: Any = load_sounddevice()
            sd._initialized = 0  # or the exit of the program would hang as well

    def restart(self) -> None:
        """Read the list of devices anew; every stream must have been closed.

        Raises:
            DeviceError: the library is stuck and cannot be replaced.
        """
        sd: Any = load_sounddevice()
        if self._stuck:
            self._abandoned.append(sd._lib)
            sd._lib = _load_again(sd)
            self._stuck = False
        else:
            sd._terminate()
        sd._initialize()


def _load_again(sd: Any) -> object:
    """A second instance of the loaded library: a copy, which the loader takes for another one."""
    try:
        maps = Path("/proc/self/maps").read_text().splitlines()
        paths = [Path(line.split(maxsplit=5)[5]) for line in maps if "/libportaudio" in line]
        original = next(path for path in paths if path.exists())
        with tempfile.TemporaryDirectory() as folder:
            return sd._ffi.dlopen(str(shutil.copy(original, Path(folder) / "libportaudio.so")))
    except (OSError, StopIteration, AttributeError) as error:
        raise DeviceError(
            "the sound system hangs and cannot be started anew; restart the program"
        ) from error
