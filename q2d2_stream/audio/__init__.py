"""Sound devices and what happens to sound between them and the codec.

Nothing here touches the sound system before a device is listed or opened. See docs/guides/sound.md.
"""

from __future__ import annotations

from q2d2_stream.audio.capture import DeviceSource
from q2d2_stream.audio.devices import DeviceInfo, describe_devices, list_devices, select_device
from q2d2_stream.audio.meters import LevelMeter, Mute
from q2d2_stream.audio.noise_suppressor import NoiseSuppressor
from q2d2_stream.audio.playback import DeviceSink
from q2d2_stream.audio.processing import VoiceProcessor
from q2d2_stream.audio.program import ProgramSink, ProgramSource
from q2d2_stream.audio.silence import NullSink, SilenceSource
from q2d2_stream.audio.stream import FRAME_SAMPLES, SAMPLE_RATE, Pcm, Sink, Source, StreamStats

__all__ = [
    "FRAME_SAMPLES",
    "SAMPLE_RATE",
    "DeviceInfo",
    "DeviceSink",
    "DeviceSource",
    "LevelMeter",
    "Mute",
    "NoiseSuppressor",
    "NullSink",
    "Pcm",
    "ProgramSink",
    "ProgramSource",
    "SilenceSource",
    "Sink",
    "Source",
    "StreamStats",
    "VoiceProcessor",
    "describe_devices",
    "list_devices",
    "select_device",
]
