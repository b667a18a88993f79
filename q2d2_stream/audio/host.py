"""The one thread that talks to PortAudio, and brings devices back that went away."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from q2d2_stream.audio.devices import DeviceInfo, probe_devices
from q2d2_stream.audio.portaudio import PortAudio
from q2d2_stream.errors import DeviceError

__all__ = ["DeviceHost", "HostedStream", "device_host"]

_log = logging.getLogger(__name__)

_CHECK_S = 0.25
_RETRY_FIRST_S = 1.0
_RETRY_MOST_S = 10.0


class HostedStream(Protocol):
    """What the host looks after. All of it is called on the host's thread only."""

    def open_device(self) -> None:
        """Start the device. Raises DeviceError; leaves nothing open then."""

    def close_device(self, portaudio: PortAudio) -> None:
        """Stop the device; never raises, and does nothing when it is not open."""

    def is_sounding(self) -> bool:
        """Whether the device is open and its callback is being called."""

    def is_listed(self, devices: list[DeviceInfo]) -> bool:
        """Whether the device is among those that are there now."""

    def went_away(self) -> None:
        """Told once when it stopped sounding, before `close_device`."""

    def came_back(self) -> None:
        """Told once when it was opened again."""


class DeviceHost:
    """Opens, watches and reopens the streams of this process.

    PortAudio is not thread-safe and some of its calls block for long, so all of them are made
    by one thread. Every quarter of a second it looks whether its streams still sound. While one
    does not, it asks `probe_devices` at growing intervals of 1 to 10 s whether the device is
    there again, and opens it. If that fails, PortAudio's list of devices is out of date: only
    then are all the streams closed, PortAudio restarted and all of them opened again, which the
    healthy ones survive with a gap of some tens of milliseconds.
    """

    def __init__(self) -> None:
        self._jobs: queue.Queue[tuple[Callable[[], None], Future[None]]] = queue.Queue(64)
        self._streams: list[HostedStream] = []
        self._lost: list[HostedStream] = []
        self._portaudio = PortAudio()
        self._retry_at = 0.0
        self._retry_s = _RETRY_FIRST_S
        threading.Thread(target=self._run, name="sound devices", daemon=True).start()

    def add(self, stream: HostedStream) -> Future[None]:
        """Open a stream and watch it; the future carries its DeviceError."""
        return self._submit(lambda: self._add(stream))

    def remove(self, stream: HostedStream) -> Future[None]:
        """Close a stream and forget it."""
        return self._submit(lambda: self._remove(stream))

    def _submit(self, job: Callable[[], None]) -> Future[None]:
        future: Future[None] = Future()
        try:
            self._jobs.put_nowait((job, future))
        except queue.Full:
            future.set_exception(
                DeviceError("the sound system does not answer; restart the program")
            )
        return future

    def _run(self) -> None:
        while True:
            try:
                job, future = self._jobs.get(timeout=_CHECK_S if self._streams else None)
            except queue.Empty:
                try:
                    self._check()
                except Exception:  # a failed rescue must not end this thread: it tries again
                    _log.exception("bringing sound devices back failed")
                continue
            if future.set_running_or_notify_cancel():
                try:
                    job()
                    future.set_result(None)
                except Exception as error:  # it belongs to whoever waits for the future
                    future.set_exception(error)
            del job, future  # or this thread would keep the last stream alive until the exit

    def _add(self, stream: HostedStream) -> None:
        stream.open_device()
        self._streams.append(stream)

    def _remove(self, stream: HostedStream) -> None:
        for streams in (self._streams, self._lost):
            if stream in streams:
                streams.remove(stream)
        stream.close_device(self._portaudio)

    def _check(self) -> None:
        for stream in self._streams:
            if stream not in self._lost and not stream.is_sounding():
                self._lose(stream)
                self._retry_s = _RETRY_FIRST_S
                self._retry_at = time.monotonic() + self._retry_s
        if self._lost and time.monotonic() >= self._retry_at:
            self._recover()
            self._retry_s = min(2.0 * self._retry_s, _RETRY_MOST_S)
            self._retry_at = time.monotonic() + self._retry_s

    def _lose(self, stream: HostedStream) -> None:
        stream.went_away()
        self._lost.append(stream)
        stream.close_device(self._portaudio)

    def _recover(self) -> None:
        devices = probe_devices()
        listed = [stream for stream in self._lost if stream.is_listed(devices)]
        if not self._portaudio.is_stuck:
            listed = [stream for stream in listed if not self._reopen(stream)]
        if listed:
            self._restart()

    def _reopen(self, stream: HostedStream) -> bool:
        try:
            stream.open_device()
        except DeviceError as error:
            _log.debug("not yet: %s", error)
            return False
        self._lost.remove(stream)
        stream.came_back()
        return True

    def _restart(self) -> None:
        sounding = [stream for stream in self._streams if stream not in self._lost]
        for stream in sounding:
            stream.close_device(self._portaudio)
        self._portaudio.restart()
        for stream in sounding:
            try:
                stream.open_device()
            except DeviceError as error:
                _log.debug("lost by the restart: %s", error)
                self._lose(stream)
        for stream in [stream for stream in self._lost if stream not in sounding]:
            self._reopen(stream)


_host: DeviceHost | None = None
_host_lock = threading.Lock()


def device_host() -> DeviceHost:
    """The host of this process, started on first use."""
    global _host
    with _host_lock:
        if _host is None:
            _host = DeviceHost()
        return _host
