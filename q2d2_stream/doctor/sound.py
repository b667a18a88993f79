"""Sound devices, and five seconds of both directions at once."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace

import numpy as np

from q2d2_stream.audio import (
    FRAME_SAMPLES,
    SAMPLE_RATE,
    DeviceSink,
    DeviceSource,
    StreamStats,
    list_devices,
)
from q2d2_stream.audio.devices import DeviceKind, select_device
from q2d2_stream.doctor.finding import Finding, Verdict
from q2d2_stream.errors import DeviceError

__all__ = ["Drift", "check_devices", "check_streaming", "measure_drift"]

_SETTLE_S = 1.0  # drivers fill their buffers at first
_LARGE_DRIFT_PPM = 300.0  # crystals stay within 200; more is a wrong rate or a virtual device
_NO_CLOCK_PPM = 20_000.0  # beyond what can be made good by stretching: sound is missing
_MOST_XRUNS = 5  # about one per second is heard as a steady crackle


def check_devices(
    wanted_input: str | None = None, wanted_output: str | None = None
) -> list[Finding]:
    """The microphone and the loudspeaker that a call would use, and all others.

    Args:
        wanted_input, wanted_output: index or part of a name, None for the default.
    """
    try:
        devices = list_devices()
    except DeviceError as error:
        return [Finding("sound system", Verdict.RED, str(error), "then run q2d2-doctor again")]
    facts = {
        "devices": [
            {
                "index": device.index,
                "name": device.name,
                "host": device.host,
                "inputs": device.inputs,
                "outputs": device.outputs,
                "sample_rate": device.sample_rate,
            }
            for device in devices
        ]
    }
    count = f"{len(devices)} devices" if len(devices) != 1 else "1 device"
    findings = [Finding("sound system", Verdict.GREEN, count, "", facts)]
    wishes: tuple[tuple[DeviceKind, str, str | None], ...] = (
        ("input", "microphone", wanted_input),
        ("output", "loudspeaker", wanted_output),
    )
    for kind, name, wanted in wishes:
        try:
            device = select_device(wanted, kind, devices)
        except DeviceError as error:
            advice = "see docs/guides/raspberry_pi.md"
            findings.append(Finding(name, Verdict.RED, str(error), advice))
            continue
        text = f"{device.name} ({device.host}), {device.sample_rate} Hz"
        chosen = {"index": device.index, "sample_rate": device.sample_rate}
        if device.sample_rate < SAMPLE_RATE:
            advice = "it carries less than the codec does: choose another, or Bluetooth's mSBC"
            findings.append(Finding(name, Verdict.YELLOW, text, advice, chosen))
        else:
            findings.append(Finding(name, Verdict.GREEN, text, "", chosen))
    return findings


def check_streaming(
    wanted_input: str | None = None, wanted_output: str | None = None, seconds: float = 5.0
) -> list[Finding]:
    """Record and play silence at the same time, as a call does.

    Args:
        wanted_input, wanted_output: index or part of a name, None for the default.
        seconds: how long.
    """
    name = f"sound for {seconds:g} s"
    try:
        devices = list_devices()
        select_device(wanted_input, "input", devices)
        select_device(wanted_output, "output", devices)
    except DeviceError:
        return []  # check_devices has said it
    source, sink = DeviceSource(wanted_input), DeviceSink(wanted_output)
    try:
        times, heard, played = asyncio.run(_stream(source, sink, seconds))
    except DeviceError as error:
        return [Finding(name, Verdict.RED, str(error), "close what else uses it")]
    if heard.absent_frames or played.absent_frames or len(times) < 2:
        text = "a device was opened, and brings or takes no sound"
        return [Finding(name, Verdict.RED, text, "choose another, or restart the sound system")]
    xruns, gaps = heard.xruns + played.xruns, played.underruns
    facts = {"xruns_in": heard.xruns, "xruns_out": played.xruns, "underruns": gaps}
    text = f"{xruns} xruns, {gaps} gaps"
    advice = (
        "stop other work or let the driver buffer more (docs/guides/raspberry_pi.md, Crackling)"
    )
    verdict = Verdict.GREEN
    if xruns + gaps > _MOST_XRUNS:
        verdict = Verdict.RED
    elif xruns + gaps:
        verdict = Verdict.YELLOW
    streaming = Finding(name, verdict, text, "" if verdict is Verdict.GREEN else advice, facts)
    return [streaming, _judge(measure_drift(times, FRAME_SAMPLES / SAMPLE_RATE))]


@dataclass(frozen=True)
class Drift:
    """A sound clock against the monotonic clock.

    Attributes:
        ppm: positive when the sound clock is the faster one.
        error_ppm: twice its standard error.
    """

    ppm: float
    error_ppm: float


def measure_drift(times_s: list[float], frame_s: float) -> Drift:
    """The drift of a clock that ticked at ``times_s``, nominally every ``frame_s``.

    Drivers deliver in blocks that are no multiple of a frame, so single times are off by up to a
    block; the slope of a line through all of them is not.
    """
    ticks = frame_s * np.arange(len(times_s))
    slope, offset = np.polyfit(ticks, np.asarray(times_s) - times_s[0], 1)
    residual = np.asarray(times_s) - times_s[0] - (offset + slope * ticks)
    spread = float(np.sqrt(np.square(ticks - ticks.mean()).sum()))
    error = float(residual.std()) / spread if spread else 0.0
    # A slope above 1: more than a second passes for a second of sound, so the sound is slow.
    return Drift(1e6 * (1.0 / float(slope) - 1.0), 2e6 * error)


def _judge(drift: Drift) -> Finding:
    text = f"{drift.ppm:+.0f} ppm, give or take {drift.error_ppm:.0f}"
    facts = {"ppm": drift.ppm, "error_ppm": drift.error_ppm}
    if abs(drift.ppm) > _NO_CLOCK_PPM:
        text = f"sound comes at {100 + 1e-4 * drift.ppm:.0f} % of its nominal rate"
        advice = "other programs take the processor, or the device is set to another rate"
        return Finding("sound clock", Verdict.RED, text, advice, facts)
    if abs(drift.ppm) - drift.error_ppm > _LARGE_DRIFT_PPM:
        advice = "more than a crystal is off: is this a virtual device, or set to another rate?"
        return Finding("sound clock", Verdict.YELLOW, text, advice, facts)
    return Finding("sound clock", Verdict.GREEN, text, "", facts)


async def _stream(
    source: DeviceSource, sink: DeviceSink, seconds: float
) -> tuple[list[float], StreamStats, StreamStats]:
    """When frames came, once settled, and what both devices have counted."""
    times: list[float] = []
    end = time.monotonic() + seconds + _SETTLE_S

    async def play() -> None:
        silence = np.zeros(FRAME_SAMPLES, np.float32)
        while True:
            await sink.ready()
            sink.write(silence)

    async with source, sink:
        playing = asyncio.create_task(play())
        while (now := time.monotonic()) < end:
            await source.read()
            if now > end - seconds:
                times.append(time.monotonic())
        heard, played = replace(source.stats), replace(sink.stats)  # stopping makes gaps, too
        playing.cancel()
    return times, heard, played
