from __future__ import annotations

import subprocess
import sys

import pytest

from q2d2_stream.audio import devices as module
from q2d2_stream.audio.capture import DeviceSource
from q2d2_stream.audio.devices import DeviceInfo, describe_devices, probe_devices, select_device
from q2d2_stream.audio.playback import DeviceSink
from q2d2_stream.audio.portaudio import load_sounddevice
from q2d2_stream.audio.silence import NullSink, SilenceSource
from q2d2_stream.call.sound import make_sink, make_source
from q2d2_stream.errors import DeviceError, InputError
from q2d2_stream.files.file_sink import FileSink
from q2d2_stream.files.file_source import FileSource

LIST = [
    DeviceInfo(0, "HDA Intel PCH: ALC257", "ALSA", 2, 2, 44_100, False, False),
    DeviceInfo(1, "USB Headset: Audio", "ALSA", 1, 2, 48_000, True, False),
    DeviceInfo(2, "USB Headset: Audio 2", "ALSA", 1, 0, 48_000, False, False),
    DeviceInfo(3, "default", "ALSA", 0, 32, 44_100, False, True),
]


@pytest.mark.parametrize(
    ("wanted", "kind", "index"),
    [
        (None, "input", 1),
        (None, "output", 3),
        (0, "input", 0),
        ("0", "output", 0),
        ("intel", "input", 0),
        ("usb", "output", 1),
        ("USB ALSA", "output", 1),
        ("usb headset: audio", "input", 1),  # the full name goes before what contains it
        ("audio 2", "input", 2),
    ],
)
def test_select(wanted: int | str | None, kind: module.DeviceKind, index: int) -> None:
    assert select_device(wanted, kind, LIST).index == index


@pytest.mark.parametrize(
    ("wanted", "kind", "message"),
    [
        ("usb", "input", "2 input devices match 'usb': 1 'USB Headset: Audio' .*, 2 'USB Head"),
        ("bluetooth", "input", "no input device matches 'bluetooth'; there are 0 'HDA Intel"),
        ("2", "output", "no output device matches '2'; there are 0 .*, 1 .*, 3 'default'"),
        (17, "output", "no output device matches '17'"),
    ],
)
def test_select_refuses_in_a_sentence(
    wanted: int | str, kind: module.DeviceKind, message: str
) -> None:
    with pytest.raises(DeviceError, match=message):
        select_device(wanted, kind, LIST)


def test_no_device_at_all() -> None:
    with pytest.raises(DeviceError, match="there is no sound input device"):
        select_device(None, "input", [])
    with pytest.raises(DeviceError, match="there is no default input device; choose one of 0 "):
        select_device(None, "input", LIST[:1])


def test_table_marks_the_defaults() -> None:
    table = describe_devices(LIST).splitlines()
    assert table[1] == ">    1  USB Headset: Audio, ALSA (1 in, 2 out, 48000 Hz)"
    assert table[3].startswith(" <   3  default")
    assert describe_devices([]) == "no sound devices found"


def test_defaults_are_those_of_the_first_host_that_has_one() -> None:
    hosts = [
        {"name": "ALSA", "default_input_device": -1, "default_output_device": 0},
        {"name": "JACK", "default_input_device": 1, "default_output_device": 1},
    ]
    raw = {"max_input_channels": 1, "max_output_channels": 1, "default_samplerate": 48_000.0}
    first, second = module._to_devices(
        [
            {"index": 0, "name": "a", "hostapi": 0, **raw},
            {"index": 1, "name": "b", "hostapi": 1, **raw},
        ],
        hosts,
    )
    assert (first.default_input, first.default_output) == (False, True)
    assert (second.default_input, second.default_output) == (True, False)
    assert second.host == "JACK"


def test_library_missing_names_the_apt_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library(name: str) -> None:
        raise OSError("PortAudio library not found")

    monkeypatch.setattr("importlib.import_module", no_library)
    with pytest.raises(DeviceError, match=r"library not found\); run: apt-get install libportau"):
        load_sounddevice()


def test_package_missing_names_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(DeviceError, match="run: pip install sounddevice"):
        load_sounddevice()


def test_probe_without_an_answer_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PROBE", "raise SystemExit(1)")
    assert probe_devices() == []
    monkeypatch.setattr(module, "_PROBE", "print('[')")
    assert probe_devices() == []


def test_importing_the_package_leaves_the_sound_system_alone() -> None:
    code = (
        "import sys, q2d2_stream.call.sound as sound;"
        "sound.make_source(None), sound.make_sink('usb');"
        "sys.exit('sounddevice' in sys.modules or 'livekit' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_endpoints() -> None:
    assert isinstance(make_source("silence"), SilenceSource)
    assert isinstance(make_source("talk.FLAC", loop=True), FileSource)
    assert isinstance(make_source(None), DeviceSource)
    assert isinstance(make_source("3"), DeviceSource)
    assert isinstance(make_sink("null"), NullSink)
    assert isinstance(make_sink("out.wav"), FileSink)
    assert isinstance(make_sink("usb headset"), DeviceSink)
    with pytest.raises(InputError, match=r"out\.flac cannot be written"):
        make_sink("out.flac")


def test_every_module_says_what_it_exports() -> None:
    import importlib
    import pkgutil

    import q2d2_stream.audio as package

    for info in pkgutil.iter_modules(package.__path__):
        loaded = importlib.import_module(f"q2d2_stream.audio.{info.name}")
        for name in loaded.__all__:
            assert hasattr(loaded, name), f"{info.name}.{name}"
    for name in package.__all__:
        assert hasattr(package, name)
