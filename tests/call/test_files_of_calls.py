"""Files of calls: what is kept, and what a call that goes wrong leaves behind."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from q2d2_stream.call import CallClient, ClientOptions, parse_address
from q2d2_stream.call.sound import make_sink, make_source
from q2d2_stream.cli.main import main
from q2d2_stream.cli.stats_lines import StatsLines
from q2d2_stream.errors import InputError
from q2d2_stream.files.file_sink import FileSink
from q2d2_stream.files.file_source import FileSource
from q2d2_stream.protocol import Reason
from tests.labs.call import (
    codec,
    endpoint,
    free_port,
    listen,
    make_session,
    speech_file,
    start_command,
    until,
)

pytestmark = pytest.mark.slow


def test_more_calls_number_their_sound(tmp_path: Path) -> None:
    async def run() -> None:
        for _ in range(3):
            sink = make_sink(str(tmp_path / "x.wav"), realtime=False, numbered=True)
            async with sink:
                sink.write(np.zeros(320, np.float32))

    asyncio.run(run())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x-2.wav", "x-3.wav", "x.wav"]


@pytest.mark.net
def test_a_call_that_does_not_come_about_leaves_what_was_there(tmp_path: Path) -> None:
    codec()
    old, stats = tmp_path / "old.wav", tmp_path / "stats.json"
    old.write_bytes(b"an old recording")
    stats.write_bytes(b"old lines")
    arguments = ["--input", "silence", "--output", str(old), "--stats-json", str(stats)]
    folder = tmp_path / "kept"
    arguments += ["--record", str(folder)]
    assert main(["call", f"127.0.0.1:{free_port()}", *arguments]) == 3
    assert old.read_bytes() == b"an old recording"
    assert stats.read_bytes() == b"old lines"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.wav", "stats.json"]


@pytest.mark.net
@pytest.mark.slow
def test_a_peer_that_is_gone_before_it_has_heard_all_is_lost(tmp_path: Path) -> None:
    speech_file(tmp_path / "a.wav", 1.5)

    async def run() -> None:
        async with listen() as listener:
            callee = make_session(listener)
            line = CallClient(
                parse_address(f"127.0.0.1:{listener.port}"),
                endpoint(),
                options=ClientOptions(return_s=4.0),
            )
            caller = make_session(line, tmp_path / "a.wav", hangup_at_end=True)
            tasks = [asyncio.create_task(side.run()) for side in (callee, caller)]
            await until(lambda: caller.stats().counters.sent_frames > 15, "sending")
            await listener.close()
            tasks[0].cancel()
            closed = await tasks[1]
            assert closed.reason is Reason.LOST
            assert caller.was_established

    asyncio.run(run())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_statistics_that_cannot_be_written_are_told_once(tmp_path: Path) -> None:
    async def run() -> None:
        async with listen() as listener:
            stats = make_session(listener).stats()
            told: list[str] = []
            lines = StatsLines("/dev/full", told.append)
            for _ in range(3):
                lines.write(stats)
            lines.close()
            assert len(told) == 1
            assert "no more statistics: /dev/full cannot be written (No space left" in told[0]
            path = tmp_path / "never.json"
            lines = StatsLines(str(path), told.append)
            lines.write(stats)  # of no call yet
            lines.close()
            assert not path.exists()

    asyncio.run(run())
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(InputError, match="nobody reads from the named pipe"):
        StatsLines(str(tmp_path / "fifo"), print)


def test_a_source_that_fails_costs_neither_report_nor_sentence() -> None:
    codec()
    sound = io.BytesIO()
    pcm = np.zeros(24_000, np.float32)
    pcm[-1] = 20_000
    soundfile.write(sound, pcm, 24_000, format="WAV", subtype="FLOAT")
    done = subprocess.run(
        [sys.executable, "-m", "q2d2_stream", "loopback", "--input", "-", "--output", "null"],
        input=sound.getvalue(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    last = done.stderr.decode().strip().splitlines()[-1]
    assert last.startswith("q2d2 loopback: standard input reaches 20000 at 1.00 s")
    assert b"Traceback" not in done.stderr
    assert done.stdout.startswith(b"call ")


@pytest.mark.parametrize(
    "closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"], ids=["in", "out", "err", "all"]
)
def test_a_call_needs_no_standard_streams(closed: str, tmp_path: Path) -> None:
    codec()
    speech_file(tmp_path / "a.wav", 0.3)
    line = f"exec {sys.executable} -m q2d2_stream loopback --input a.wav --output b.wav {closed}"
    done = subprocess.run(
        ["sh", "-c", line], cwd=tmp_path, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert len(soundfile.read(tmp_path / "b.wav")[0]) > 3000


@pytest.mark.parametrize("name", ["x.aiff", "x.wav", "./x", "/x", "x"])
def test_what_looks_like_a_file_is_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").write_bytes(b"")
    assert isinstance(make_source(name), FileSource)
    if name == "x.wav":
        assert isinstance(make_sink(name), FileSink)
    else:
        with pytest.raises(InputError, match=r"written as \.wav only"):
            make_sink(name)


@pytest.mark.net
@pytest.mark.slow
def test_ctrl_c_again_and_again_ends_the_call_at_once_with_its_report() -> None:
    codec()
    port = free_port()
    quiet = ["--input", "silence", "--output", "null"]
    listener = start_command("call", "--listen", f"127.0.0.1:{port}", *quiet)
    caller = start_command("call", "--peer", f"127.0.0.1:{port}", "--wait", "30", *quiet)
    try:
        assert caller.stderr is not None
        for line in caller.stderr:
            if line.startswith("0 s"):
                break
        for _ in range(3):
            caller.send_signal(signal.SIGINT)
            time.sleep(0.05)
        out, errors = caller.communicate(timeout=60)
        # The third may meet a process that has said all and is on its way out.
        assert caller.returncode in (0, -signal.SIGINT), errors
        assert out.startswith("call ")
        assert "Traceback" not in errors
        listener.communicate(timeout=60)
        assert listener.returncode == 0
    finally:
        listener.kill()
        caller.kill()
