"""A sound card made of software: JACK's dummy driver with a virtual microphone and loudspeaker.

    with JackLab() as lab:                # jackd at 24 kHz, periods of 320
        lab.say(speech)                   # what the virtual microphone will hear, from now on
        ...                               # devices named lab.MIC and lab.SPEAKER exist
        heard = lab.heard()               # what the virtual loudspeaker played

The microphone and the loudspeaker are JACK clients; PortAudio lists them as devices. Needs the
Debian packages jackd2, libjack-jackd2-0 and libportaudio2 and the Python package JACK-Client;
`missing()` says in a sentence what is not there.
"""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import shutil
import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["JackLab", "missing", "missing_frames"]


def missing() -> str | None:
    """Why there can be no virtual sound card here, or None."""
    if shutil.which("jackd") is None:
        return "jackd is not installed (apt-get install jackd2 libjack-jackd2-0)"
    if ctypes.util.find_library("portaudio") is None:
        return "PortAudio is not installed (apt-get install libportaudio2)"
    for module, package in (("jack", "JACK-Client"), ("sounddevice", "sounddevice")):
        if importlib.util.find_spec(module) is None:
            return f"the Python package {package} is not installed (pip install {package})"
    return None


def missing_frames(expected: NDArray[np.float32], heard: NDArray[np.float32]) -> int:
    """How many of the expected frames of 320 samples were not heard, bit for bit and in order."""
    place, missed = 0, 0
    for frame in expected[: len(expected) // 320 * 320].reshape(-1, 320):
        starts = place + np.flatnonzero(heard[place : len(heard) - 319] == frame[0])
        fits = (at for at in starts.tolist() if np.array_equal(heard[at : at + 320], frame))
        at = next(fits, None)
        missed += at is None
        place = place if at is None else at + 320
    return missed


class JackLab:
    """A JACK server of its own with one microphone and one loudspeaker, both mono.

    Args:
        rate: samples per second of the card.
        period: samples per callback.
    """

    MIC = "labmic"
    SPEAKER = "labspeaker"

    def __init__(self, rate: int = 24_000, period: int = 320) -> None:
        self.rate = rate
        self.period = period
        self.server_xruns = 0
        self._environment: dict[str, str | None] = {}
        self._server: subprocess.Popen[bytes] | None = None
        self._clients: list[Any] = []
        self._speech = np.zeros(0, np.float32)
        self._said = 0
        self._heard = np.zeros(120 * rate, np.float32)
        self._heard_samples = 0
        self._done_saying = threading.Event()

    def __enter__(self) -> JackLab:
        settings = {
            "JACK_DEFAULT_SERVER": f"q2d2lab{os.getpid()}",
            "JACK_NO_AUDIO_RESERVATION": "1",
            "JACK_NO_START_SERVER": "1",
        }
        self._environment = {name: os.environ.get(name) for name in settings}
        os.environ.update(settings)
        self.plug_in()
        self.rescan()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # PortAudio lets go of the server while it is still there.
        if "sounddevice" in sys.modules:
            sys.modules["sounddevice"]._terminate()
        self.pull_out()
        for name, value in self._environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if "sounddevice" in sys.modules:
            sys.modules["sounddevice"]._initialize()

    def plug_in(self) -> None:
        """Start the server and both clients; also after `pull_out`."""
        import jack

        jack.set_error_function(lambda text: None)
        jack.set_info_function(lambda text: None)
        command = ["jackd", "-r", "-S", "--name", os.environ["JACK_DEFAULT_SERVER"]]
        command += ["-d", "dummy", "-r", str(self.rate), "-p", str(self.period)]
        command += ["-C", "0", "-P", "0"]
        self._server = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        mic = self._connect(jack, self.MIC)
        speaker = self._connect(jack, self.SPEAKER)
        self._clients = [mic, speaker]
        mouth = mic.outports.register("voice")
        ear = speaker.inports.register("sound")

        def on_mic(frames: int) -> None:
            block = self._speech[self._said : self._said + frames]
            out = mouth.get_array()
            out[: len(block)] = block
            out[len(block) :] = 0.0
            self._said += len(block)
            if len(block) < frames:
                self._done_saying.set()

        def on_speaker(frames: int) -> None:
            block = ear.get_array()
            room = self._heard[self._heard_samples : self._heard_samples + frames]
            room[:] = block[: len(room)]
            self._heard_samples += len(room)

        mic.set_process_callback(on_mic)
        speaker.set_process_callback(on_speaker)
        mic.set_xrun_callback(self._count_xrun)
        mic.activate()
        speaker.activate()

    def pull_out(self) -> None:
        """End the server, as if the card had been unplugged."""
        for client in self._clients:
            client.deactivate(ignore_errors=True)
            client.close(ignore_errors=True)
        self._clients = []
        if self._server:
            self._server.terminate()
            self._server.wait(10)
            self._server = None

    def rescan(self) -> None:
        """Make PortAudio read its list of devices anew; no stream may be open."""
        if "sounddevice" in sys.modules:
            sys.modules["sounddevice"]._terminate()
            sys.modules["sounddevice"]._initialize()

    def say(self, speech: NDArray[np.float32]) -> None:
        """Let the microphone hear ``speech``, shape ``(n,)`` at the card's rate, then silence."""
        self._done_saying.clear()
        self._speech, self._said = speech, 0

    def wait_said(self, timeout_s: float) -> bool:
        """Wait until the speech has been said; False when it took longer."""
        return self._done_saying.wait(timeout_s)

    def heard(self) -> NDArray[np.float32]:
        """Everything the loudspeaker has played so far, shape ``(n,)``; at most two minutes."""
        return self._heard[: self._heard_samples].copy()

    def _count_xrun(self, delayed_us: float) -> None:
        self.server_xruns += 1

    @staticmethod
    def _connect(jack: Any, name: str) -> Any:
        deadline = time.monotonic() + 10.0
        while True:
            try:
                return jack.Client(name, no_start_server=True)
            except jack.JackOpenError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
