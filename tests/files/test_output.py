"""Outputs: whole or not there, and never over something better."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from q2d2_stream.cli.main import main
from q2d2_stream.errors import InputError
from q2d2_stream.files.output import PendingFile, open_output
from q2d2_stream.files.same_file import require_distinct
from q2d2_stream.files.sound_writer import SOUND_FORMATS, sound_output
from q2d2_stream.files.wav_writer import WavWriter

FRAME = np.full(320, 0.5, np.float32)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_bytes(b"old")
    with open_output(target) as stream:
        stream.write(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    with contextlib.suppress(RuntimeError), open_output(target) as stream:
        stream.write(b"half")
        raise RuntimeError
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["x"]


def test_mode_and_links_are_kept(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to("target")
    with open_output(link) as stream:
        stream.write(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    dangling = tmp_path / "dangling"
    dangling.symlink_to("nowhere")
    with open_output(dangling) as stream:
        stream.write(b"new")
    assert (tmp_path / "nowhere").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "nowhere").stat().st_mode) == 0o666 & ~_umask()


def _umask() -> int:
    umask = os.umask(0o022)
    os.umask(umask)
    return umask


def test_two_writers_do_not_mix(tmp_path: Path) -> None:
    mine = tmp_path / "x.part"
    mine.write_bytes(b"mine")
    with open_output(tmp_path / "x") as first:
        first.write(b"first" * 10_000)
        with open_output(tmp_path / "x") as second:
            second.write(b"second")
        assert (tmp_path / "x").read_bytes() == b"second"
    assert (tmp_path / "x").read_bytes() == b"first" * 10_000
    assert mine.read_bytes() == b"mine"
    assert names(tmp_path) == ["x", "x.part"]


def test_numbered_files_replace_nothing(tmp_path: Path) -> None:
    for _ in range(3):
        pending = PendingFile(tmp_path / "x.wav", numbered=True)
        pending.place()
        pending.stream.write(b"sound")
        pending.discard()
    assert names(tmp_path) == ["x-2.wav", "x-3.wav", "x.wav"]
    assert pending.path.name == "x-3.wav"
    assert all(path.read_bytes() == b"sound" for path in tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["same", "symlink", "hard link", "redirect"])
def test_one_file_for_input_and_output_is_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "a.wav", tmp_path / "b.wav"
    source.write_bytes(b"sound")
    given: str | Path = source
    if kind == "same":
        target = tmp_path / "." / "a.wav"
    elif kind == "symlink":
        target.symlink_to(source)
    else:
        target.hardlink_to(source)
    if kind == "redirect":
        given = "-"
        monkeypatch.setattr(sys, "stdin", source.open())
    with pytest.raises(InputError, match="the output is the same file as the input"):
        require_distinct({"the input": given}, {"the output": target})
    assert source.read_bytes() == b"sound"


def test_files_that_are_not_the_same(tmp_path: Path) -> None:
    source = tmp_path / "a.wav"
    source.write_bytes(b"sound")
    outputs = {"one": tmp_path / "b.wav", "two": "-", "three": io.BytesIO(), "four": "/dev/null"}
    require_distinct({"the input": source, "null": "/dev/null", "none": None}, outputs)
    with pytest.raises(InputError, match="--stats-json is the same file as --output"):
        require_distinct({}, {"--output": tmp_path / "b", "--stats-json": str(tmp_path / "b")})


def test_commands_refuse_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = tmp_path / "same.wav"
    soundfile.write(same, np.zeros(24_000), 24_000)
    before = same.read_bytes()
    path = str(same)
    quiet = ["--input", path, "--output", "null"]
    for command in (
        ["encode", path, path],
        ["decode", path, path],
        ["loopback", "--input", path, "--output", path],
        ["call", "127.0.0.1:1", "--input", path, "--output", path],
        ["call", "127.0.0.1:1", *quiet, "--stats-json", path],
    ):
        assert main(command) == 1
        assert "is the same file as" in capsys.readouterr().err
    assert same.read_bytes() == before
    assert names(tmp_path) == ["same.wav"]


@pytest.mark.parametrize("kind", SOUND_FORMATS)
def test_a_limit_of_the_file_size_is_an_error_of_the_system(kind: str, tmp_path: Path) -> None:
    """As on a full disk: every format tells, names the file, and leaves nothing."""
    code = (
        "import resource, sys, numpy as np;"
        "from q2d2_stream.files.sound_writer import sound_output;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000));"
        "rng = np.random.default_rng(0)\n"
        "try:\n"
        "    with sound_output(sys.argv[1], 24000) as out:\n"
        "        for _ in range(100): out.write(rng.uniform(-1, 1, 2400).astype('f4'))\n"
        "except OSError as error: print(error.errno, error.filename)"
    )
    target = tmp_path / f"x.{kind}"
    done = subprocess.run(
        [sys.executable, "-c", code, str(target)], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == [str(27), str(target)], done.stderr  # EFBIG
    assert done.stderr == ""
    assert names(tmp_path) == []


@pytest.mark.parametrize("kind", SOUND_FORMATS)
def test_sound_is_written_to_files_memory_and_pipes(kind: str, tmp_path: Path) -> None:
    pcm = np.linspace(-0.5, 0.5, 24_000, dtype=np.float32)
    memory = io.BytesIO()
    fifo = tmp_path / f"fifo.{kind}"
    os.mkfifo(fifo)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()))
    reader.start()
    for target in (tmp_path / f"x.{kind}", fifo):
        with sound_output(target, 24_000) as out:
            out.write(pcm)
    reader.join()
    with sound_output(memory, 24_000, kind) as out:
        out.write(pcm)
    for data in ((tmp_path / f"x.{kind}").read_bytes(), memory.getvalue(), got[0]):
        heard, rate = soundfile.read(io.BytesIO(data))
        assert (len(heard), rate) == (24_000, 24_000)
        assert np.corrcoef(heard, pcm)[0, 1] > 0.99
    assert got[0].count(b"WAVEfmt ") == (kind == "wav")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_lying(number: signal.Signals, tmp_path: Path) -> None:
    target = tmp_path / "x.q2d2"
    target.write_bytes(b"old")
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL);"  # under nohup it is ignored
        "from q2d2_stream.cli.main import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", code, "encode", "-", str(target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        sound = io.BytesIO()
        soundfile.write(sound, np.zeros(48_000), 24_000, format="WAV")
        process.stdin.write(sound.getvalue()[:60_000])  # and it waits for more
        process.stdin.flush()
        until = time.monotonic() + 30
        while len(names(tmp_path)) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(number)
        errors = process.communicate(timeout=30)[1]
    assert process.returncode == (130 if number == signal.SIGINT else -number), errors
    assert b"Traceback" not in errors
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["x.q2d2"]


def test_a_recording_without_sound_leaves_the_one_before(tmp_path: Path) -> None:
    target = tmp_path / "x.wav"
    target.write_bytes(b"old")
    WavWriter(target).close()
    assert target.read_bytes() == b"old"
    writer = WavWriter(target)
    writer.write(FRAME)
    writer.close()
    assert len(soundfile.read(target)[0]) == 320
    assert names(tmp_path) == ["x.wav"]


def test_two_calls_do_not_write_one_file(tmp_path: Path) -> None:
    target = tmp_path / "x.wav"
    first = WavWriter(target)
    first.write(FRAME)
    until = time.monotonic() + 10
    while not target.exists() and time.monotonic() < until:
        time.sleep(0.01)
    with pytest.raises(InputError, match="is being written by another call"):
        WavWriter(target)
    first.close()
    WavWriter(target).close()
    assert names(tmp_path) == ["x.wav"]


@pytest.mark.slow
def test_a_pipe_that_nobody_reads_holds_nothing_up(tmp_path: Path) -> None:
    fifo = tmp_path / "x.wav"
    os.mkfifo(fifo)
    writer = WavWriter(fifo)
    for _ in range(1000):
        writer.write(FRAME)
    assert writer.backlog == 0
    writer.close()
    assert writer.error is not None
    assert "nobody reads" in writer.error
