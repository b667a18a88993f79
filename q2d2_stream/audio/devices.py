"""Which sound devices there are, and which one a user means."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from q2d2_stream.audio.portaudio import load_sounddevice
from q2d2_stream.errors import DeviceError

__all__ = [
    "DeviceInfo",
    "DeviceKind",
    "describe_devices",
    "list_devices",
    "probe_devices",
    "select_device",
]

DeviceKind: TypeAlias = Literal["input", "output"]

_PROBE = """
import json, sounddevice
print(json.dumps([sounddevice.query_devices(), sounddevice.query_hostapis()]))
"""
_PROBE_LIMIT_S = 15.0


@dataclass(frozen=True)
class DeviceInfo:
    """One device as PortAudio sees it.

    Attributes:
        index: its number in PortAudio's list, good until the list is read anew.
        name: its name, stable from one list to the next.
        host: the sound system it belongs to, such as "ALSA" or "JACK Audio Connection Kit".
        inputs, outputs: how many channels it records and plays.
        sample_rate: its native rate in samples per second.
        default_input, default_output: whether it is used when no device is named.
    """

    index: int
    name: str
    host: str
    inputs: int
    outputs: int
    sample_rate: int
    default_input: bool = False
    default_output: bool = False

    def channels(self, kind: DeviceKind) -> int:
        """How many channels it has of this kind."""
        return self.inputs if kind == "input" else self.outputs


def _to_devices(
    devices: Iterable[Mapping[str, object]], hosts: Iterable[Mapping[str, object]]
) -> list[DeviceInfo]:
    names = [str(host["name"]) for host in hosts]
    # PortAudio's default devices are those of its default host, which is the first one that has
    # a device: not every host's default.
    first: dict[str, int] = {}
    found = []
    for host in hosts:
        for kind in ("input", "output"):
            index = int(str(host[f"default_{kind}_device"]))
            if index >= 0:
                first.setdefault(kind, index)
    for device in devices:
        index = int(str(device["index"]))
        found.append(
            DeviceInfo(
                index=index,
                name=str(device["name"]),
                host=names[int(str(device["hostapi"]))],
                inputs=int(str(device["max_input_channels"])),
                outputs=int(str(device["max_output_channels"])),
                sample_rate=round(float(str(device["default_samplerate"]))),
                default_input=index == first.get("input"),
                default_output=index == first.get("output"),
            )
        )
    return found


def list_devices() -> list[DeviceInfo]:
    """The devices that were there when the sound system was started in this process.

    Raises:
        DeviceError: PortAudio is missing.
    """
    sd = load_sounddevice()
    return _to_devices(sd.query_devices(), sd.query_hostapis())


def probe_devices() -> list[DeviceInfo]:
    """The devices that are there now, empty when that cannot be found out.

    PortAudio reads its list of devices once, when it starts, and starting it anew would stop
    every stream of this process; so a short-lived child process looks. Takes about 0.3 s of
    blocking time, at most 15.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE],
            capture_output=True,
            timeout=_PROBE_LIMIT_S,
            check=True,
        )
        devices, hosts = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return []
    return _to_devices(devices, hosts)


def select_device(
    wanted: int | str | None, kind: DeviceKind, devices: Iterable[DeviceInfo]
) -> DeviceInfo:
    """The device that ``wanted`` means among ``devices``.

    Args:
        wanted: an index (also as text), words that its name or host contain in any case, or
            None for the default device. A full name goes before names that merely contain it.
        kind: "input" or "output"; devices without such channels are not considered.
        devices: what `list_devices` returned.

    Raises:
        DeviceError: none or several match; the message names the candidates.
    """
    usable = [device for device in devices if device.channels(kind)]
    names = ", ".join(f"{device.index} {device.name!r} ({device.host})" for device in usable)
    if not usable:
        raise DeviceError(
            f"there is no sound {kind} device; connect one, or use a file instead of a device"
        )
    if wanted is None:
        for device in usable:
            if device.default_input if kind == "input" else device.default_output:
                return device
        raise DeviceError(f"there is no default {kind} device; choose one of {names}")
    text = str(wanted).strip().lower()
    if text.isdigit():
        matches = [device for device in usable if device.index == int(text)]
    else:
        matches = [device for device in usable if device.name.lower() == text]
        if len(matches) != 1:
            words = text.split()
            matches = [
                device
                for device in usable
                if all(word in f"{device.name} {device.host}".lower() for word in words)
            ]
    if not matches:
        raise DeviceError(f"no {kind} device matches {str(wanted)!r}; there are {names}")
    if len(matches) > 1:
        several = ", ".join(f"{device.index} {device.name!r} ({device.host})" for device in matches)
        raise DeviceError(
            f"{len(matches)} {kind} devices match {str(wanted)!r}: {several}; "
            "use the index or more of the name"
        )
    return matches[0]


def describe_devices(devices: Iterable[DeviceInfo]) -> str:
    """A table for people: index, name, host, channels, native rate; ``>`` and ``<`` mark the
    default input and output."""
    lines = []
    for device in devices:
        marks = (">" if device.default_input else " ") + ("<" if device.default_output else " ")
        lines.append(
            f"{marks} {device.index:3d}  {device.name}, {device.host} "
            f"({device.inputs} in, {device.outputs} out, {device.sample_rate} Hz)"
        )
    return "\n".join(lines) or "no sound devices found"
