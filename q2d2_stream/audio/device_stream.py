"""What a microphone and a loudspeaker have in common: opening, watching, coming back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from q2d2_stream.audio.devices import (
    DeviceInfo,
    DeviceKind,
    list_devices,
    select_device,
)
from q2d2_stream.audio.host import device_host
from q2d2_stream.audio.pacing import Pacer
from q2d2_stream.audio.portaudio import PortAudio, load_sounddevice
from q2d2_stream.audio.resample import StreamResampler
from q2d2_stream.audio.ring import RingBuffer
from q2d2_stream.audio.stream import FRAME_SAMPLES, SAMPLE_RATE, StreamStats
from q2d2_stream.errors import DeviceError

__all__ = ["DeviceSession", "DeviceStream", "PortAudioStream"]

_log = logging.getLogger(__name__)

_RING_S = 0.5  # a longer stall of the event loop loses sound; a longer buffer would keep old sound
_ABSENT_AFTER_S = 0.6  # several times the longest callback period of any sound system


class PortAudioStream(Protocol):
    """The part of sounddevice's streams that is used here."""

    active: bool
    latency: float

    def start(self) -> None:
        """Begin to call the callback."""

    def abort(self) -> None:
        """Stop calling the callback, without waiting for what is buffered."""

    def close(self) -> None:
        """Release the device."""


@dataclass
class DeviceSession:
    """One opening of a device; a device that came back gets a new one.

    Attributes:
        info: the device.
        channels: how many of its channels are open.
        ring: samples between its callback and the event loop, at its rate.
        resampler: between its rate and 24 kHz; belongs to the event loop.
        heard_at: `time.monotonic` of the latest callback.
        block_samples: the most samples that one callback has asked for or brought.
    """

    info: DeviceInfo
    channels: int
    ring: RingBuffer
    resampler: StreamResampler
    heard_at: float = field(default_factory=time.monotonic)
    block_samples: int = 0

    @property
    def format(self) -> dict[str, Any]:
        """Which device to open and how, as PortAudio's streams are told it."""
        return {
            "device": self.info.index,
            "samplerate": self.info.sample_rate,
            "channels": self.channels,
            "dtype": "float32",
        }

    def heard(self, samples: int) -> None:
        """Note that the callback ran."""
        self.heard_at = time.monotonic()
        self.block_samples = max(self.block_samples, samples)


class DeviceStream:
    """A device stream that survives the loss of its device.

    Subclasses provide `_session_for` and `_make_stream`; their callbacks only copy to or from the
    session's ring and call `_wake`. The event loop never calls PortAudio: the host's thread does.

    Args:
        kind: "input" or "output".
        wanted: index, part of a name, or None for the default device.
        latency_s: latency to ask of the sound driver.
        notify: called in the event loop with a sentence when the device goes or comes back.
    """

    def __init__(
        self,
        kind: DeviceKind,
        wanted: int | str | None,
        latency_s: float,
        notify: Callable[[str], None] | None,
    ) -> None:
        self.stats = StreamStats()
        self._kind: DeviceKind = kind
        self._wanted = wanted
        self._latency_s = latency_s
        self._notify = notify
        self._name = str(wanted)
        self._session: DeviceSession | None = None
        self._stream: PortAudioStream | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event = asyncio.Event()
        self._absence: Pacer | None = None

    @property
    def name(self) -> str:
        """The device's name."""
        return self._name

    @property
    def device(self) -> DeviceInfo | None:
        """The device, or None while it is absent."""
        session = self._session
        return session.info if session and self._is_present(session) else None

    async def start(self) -> None:
        """Open the device. Raises DeviceError when it is missing or refuses."""
        self._loop = asyncio.get_running_loop()
        await asyncio.wrap_future(device_host().add(self))

    async def close(self) -> None:
        """Release the device; a second call does nothing."""
        if self._loop:
            self._loop = None
            await asyncio.wrap_future(device_host().remove(self))

    # Called by the device host, on its thread.

    def open_device(self) -> None:
        """Start the device with a new session. Raises DeviceError."""
        info = select_device(self._wanted, self._kind, list_devices())
        available = info.channels(self._kind)
        refusal: Exception | None = None
        # Mono first. Hardware without mono has stereo, and odd hardware only all of its channels.
        for channels in sorted({1, min(2, available), available}):
            session = self._new_session(info, channels)
            stream: PortAudioStream | None = None
            try:
                stream = self._make_stream(session, self._latency_s)
                stream.start()
            except load_sounddevice().PortAudioError as error:
                if stream is not None:
                    stream.close()
                refusal = error
                continue
            self._name = info.name
            if self._wanted is not None:
                self._wanted = info.name  # an index may mean another device the next time
            self._stream = stream
            self._session = session
            return
        raise DeviceError(
            f"the {self._kind} device {info.name!r} cannot be opened at its own rate of "
            f"{info.sample_rate} Hz ({refusal}); close other programs that use it or choose "
            "another device"
        )

    def close_device(self, portaudio: PortAudio) -> None:
        """Stop the device if it is open."""
        stream, self._stream, self._session = self._stream, None, None
        if stream is None:
            return
        portaudio.close(stream, stream.abort, stream.close)

    def driver_ms(self) -> float:
        """What the sound driver says that its own buffers delay, in milliseconds; 0 if it cannot.

        JACK without hardware says 2^32 - 1 samples.
        """
        stream = self._stream
        return 1000.0 * stream.latency if stream and stream.latency < 10.0 else 0.0

    def is_sounding(self) -> bool:
        """Whether the device is open and its callback is being called."""
        session, stream = self._session, self._stream
        return bool(session and stream and stream.active and self._is_present(session))

    def is_listed(self, devices: list[DeviceInfo]) -> bool:
        """Whether the device is among ``devices``."""
        try:
            select_device(self._wanted, self._kind, devices)
        except DeviceError:
            return False
        return True

    def went_away(self) -> None:
        """Tell the user that the device is gone."""
        self.stats.losses += 1
        what = "silence is sent" if self._kind == "input" else "nothing is heard"
        self._tell(f"the {self._kind} device {self._name!r} is gone: {what} until it comes back")

    def came_back(self) -> None:
        """Tell the user that the device is back."""
        self._tell(f"the {self._kind} device {self._name!r} is back")

    def _tell(self, sentence: str) -> None:
        _log.warning("%s", sentence)
        if self._notify and self._loop:
            self._call_in_loop(self._notify, sentence)

    def _new_session(self, info: DeviceInfo, channels: int) -> DeviceSession:
        rates = (info.sample_rate, SAMPLE_RATE)
        if self._kind == "output":
            rates = (SAMPLE_RATE, info.sample_rate)
        ring_channels = channels if self._kind == "input" else 1
        return DeviceSession(
            info=info,
            channels=channels,
            ring=RingBuffer(round(_RING_S * info.sample_rate), ring_channels),
            resampler=StreamResampler(*rates),
        )

    def _make_stream(self, session: DeviceSession, latency_s: float) -> PortAudioStream:
        raise NotImplementedError

    # Called by the device's callback, on PortAudio's thread.

    def _wake(self) -> None:
        self._call_in_loop(self._event.set)

    def _call_in_loop(self, function: Callable[..., None], *arguments: object) -> None:
        loop = self._loop
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the loop was closed before the device
            self._loop = None

    # Called in the event loop.

    @staticmethod
    def _is_present(session: DeviceSession) -> bool:
        return time.monotonic() - session.heard_at < _ABSENT_AFTER_S

    def _present_session(self) -> DeviceSession | None:
        """The session, or None when the device is absent.

        Judged by the callback's age, not by what the host knows: PortAudio may hang in the
        host's thread, and the call goes on all the same.
        """
        session = self._session
        if session is None or not self._is_present(session):
            return None
        self._absence = None
        return session

    async def _wait_absent(self) -> None:
        """One frame's time, counted by the clock since there is no device to count it."""
        if self._absence is None:
            self._absence = Pacer(FRAME_SAMPLES / SAMPLE_RATE)
        await self._absence.tick()
        self.stats.absent_frames += 1

    async def _wait_callback(self) -> None:
        """Until the callback ran again, or it is overdue."""
        try:
            async with asyncio.timeout(_ABSENT_AFTER_S):
                await self._event.wait()
        except TimeoutError:
            return
        self._event.clear()
