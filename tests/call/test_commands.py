"""``q2d2-call`` and ``q2d2-loopback`` as a user runs them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import soundfile

from q2d2_stream.cli.call_runner import exit_code
from q2d2_stream.cli.invitation import command_for_the_other_side, qr_code, reachable_host
from q2d2_stream.cli.main import main
from q2d2_stream.protocol import Closed, Reason
from q2d2_stream.protocol.code_phrase import is_code_phrase
from q2d2_stream.transport.address import parse_address, split_code
from tests.labs.call import SECRET, codec, free_port, speech_file, start_command

pytestmark = pytest.mark.net


def test_a_call_of_two_commands(tmp_path: Path) -> None:
    codec()
    port = free_port()
    said = speech_file(tmp_path / "said.wav", 3.0)
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET + "\n")
    listener = start_command(
        "call",
        "--listen",
        f"127.0.0.1:{port}",
        "--secret-file",
        str(secret),
        "--input",
        "silence",
        "--output",
        str(tmp_path / "heard.wav"),
        "--metrics",
        "0",
        "--record",
        str(tmp_path / "kept"),
        "--rate",
        "6",
        "--simulate",
        "delay=10",
    )
    caller = start_command(
        "call",
        "--peer",
        f"127.0.0.1:{port}",
        "--wait",
        "30",
        "--input",
        str(tmp_path / "said.wav"),
        "--output",
        "null",
        "--stats-json",
        str(tmp_path / "s.json"),
        Q2D2_SECRET=SECRET,
    )
    try:
        assert listener.stderr is not None
        metrics = ""
        for line in listener.stderr:
            if found := re.search(r"http://\S+", line):
                metrics = found.group()
            if "connected" in line:
                break
        text = urllib.request.urlopen(metrics, timeout=10).read().decode()
        assert "# TYPE q2d2_playout_concealed_total counter" in text
        assert re.search(r"^q2d2_rate_kbps 5\.8\d+$", text, re.M)
        out, errors = caller.communicate(timeout=60)
        assert caller.returncode == 0, errors
        assert "kbps codec" in out
        assert "delay" in out
        heard_out, _ = listener.communicate(timeout=60)
        assert listener.returncode == 0
        assert "frames played" in heard_out
        assert "the first sound after" in heard_out
        assert SECRET not in out + errors + heard_out
    finally:
        listener.kill()
        caller.kill()
    heard = soundfile.read(tmp_path / "heard.wav")[0]
    kept = soundfile.read(tmp_path / "kept" / "far.wav")[0]
    # A machine too busy to decode in time hears less.
    assert len(heard) > 0.7 * len(said)
    assert len(kept) > 0.7 * len(said)
    lines = [json.loads(line) for line in (tmp_path / "s.json").read_text().splitlines()]
    assert lines[-1]["state"] == "ended"
    assert lines[-1]["counters"]["sent_frames"] > 100
    # Python alone takes a tenth of a second to start, and the jitter buffer waits.
    assert 100 < lines[-1]["first_sound_ms"] < 60_000
    assert lines[-1]["playout"]["delay_p95"]["total_ms"] >= 0


def test_ctrl_c_says_bye_and_reports(tmp_path: Path) -> None:
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
        caller.send_signal(signal.SIGINT)
        out, _ = caller.communicate(timeout=30)
        assert caller.returncode == 0
        assert "event loop late by" in out
        listener.communicate(timeout=30)
        assert listener.returncode == 0
        waiting = start_command("call", "--listen", f"127.0.0.1:{port}", *quiet)
        assert waiting.stderr is not None
        assert "listening" in waiting.stderr.readline()
        waiting.send_signal(signal.SIGINT)
        out, _ = waiting.communicate(timeout=30)
        assert (waiting.returncode, out) == (130, "")
    finally:
        listener.kill()
        caller.kill()


def test_loopback_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    codec()
    said = speech_file(tmp_path / "said.wav", 1.5)
    arguments = ["--input", str(tmp_path / "said.wav"), "--output", str(tmp_path / "heard.wav")]
    assert main(["loopback", *arguments, "--delay", "40", "--jitter", "10", "--loss", "0.01"]) == 0
    report, lines = capsys.readouterr()
    assert re.search(r"with this process, the first sound after \d+\.\d\d s", report)
    assert "connected to this process" in lines
    assert len(soundfile.read(tmp_path / "heard.wav")[0]) > len(said)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--peer", "192.0.2.1:9000"], "CODE@192.0.2.1:9000"),
        (["--peer", "7-guitar-orbit-velvet@127.0.0.1:1", "--secret", "another one"], "a code and"),
        (["--listen", "127.0.0.1:0", "--secret", "short"], "at least 8"),
        (["--listen", "127.0.0.1:0", "--ca", "x.pem"], "--tls-cert"),
        (["--listen", "127.0.0.1:0", "--tls-key", "x.pem"], "--tls-cert"),
        (["--listen", "wss://127.0.0.1:0"], "--tls-cert"),
        (["--listen", "127.0.0.1:0", "--output", "x.flac"], ".wav only"),
        (["--listen", "127.0.0.1:0", "--secret-file", "missing"], "missing: No such file"),
        (["--peer", "127.0.0.1:1", "--ca", "x.pem"], "wss://"),
        (["--peer", "127.0.0.1:1", "--tls-cert", "x.pem"], "--listen"),
        (["--peer", "ftp://127.0.0.1:1"], "is not an address"),
        (["--peer", "127.0.0.1:1", "--simulate", "los=1"], "simulated link"),
        (["--peer", "127.0.0.1:1", "--input", "missing.wav"], "missing.wav"),
        (["--listen", "127.0.0.1:0", "--secret", "x" * 9, "--secret-file", "y"], "one of them"),
        (["--peer", "127.0.0.1:1", "--listen", "127.0.0.1:0"], "one of them"),
        (["--peer", "127.0.0.1:1", "--frames-per-message", "17"], "from 1 to 16"),
        (["--peer", "127.0.0.1:1", "--fixed-delay", "nan"], "from 0 to 2000"),
        (["--peer", "127.0.0.1:1", "--metrics", "70000"], "from 0 to 65535"),
        (["--peer", "127.0.0.1:1", "--wait", "nan"], "a number from 0"),
        (["--peer", "127.0.0.1:1", "--rate", "4"], "expected one of 1.5, 2, 3, 6"),
    ],
)
def test_a_wrong_option_is_one_sentence(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    codec()
    defaults = {"--input": "silence", "--output": "null"}
    for option, value in defaults.items():
        if option not in arguments:
            arguments = [*arguments, option, value]
    assert main(["call", *arguments]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("q2d2 call: ")
    assert words in error


def test_nobody_to_call_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["call"]) == 2
    assert "expected PEER, --listen" in capsys.readouterr().err


def test_the_peer_needs_no_option() -> None:
    codec()
    quiet = ["--input", "silence", "--output", "null"]
    assert main(["call", f"127.0.0.1:{free_port()}", *quiet]) == 3


def test_nobody_there(capsys: pytest.CaptureFixture[str]) -> None:
    codec()
    peer = ["--peer", f"127.0.0.1:{free_port()}", "--input", "silence", "--output", "null"]
    assert main(["call", *peer]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "cannot be reached" in err


@pytest.mark.parametrize(
    "arguments",
    [["--peer", "a:1", "--frames-per-message", "x"], ["--peer", "a:1", "--engine", "cuda"]],
)
def test_wrong_usage_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["call", *arguments])
    assert raised.value.code == 2
    assert "usage: q2d2 call" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("reason", "was_established", "code"),
    [
        (Reason.ENDED, True, 0),
        (Reason.ENDED, False, 130),
        (Reason.LOST, False, 3),
        (Reason.LOST, True, 3),
        (Reason.TIMEOUT, True, 3),
        (Reason.BUSY, False, 4),
        (Reason.SECRET, False, 5),
        (Reason.MODEL, False, 5),
        (Reason.PROTOCOL, True, 5),
    ],
)
def test_exit_codes(reason: Reason, was_established: bool, code: int) -> None:
    assert exit_code(Closed(reason, "", by_peer=False), was_established) == code


def test_help_is_fast() -> None:
    """The options are shown without loading the codec, sound or network libraries."""
    heavy = "onnxruntime", "sounddevice", "websockets", "rich", "soxr"
    program = (
        "import sys; from q2d2_stream.cli.main import parse; parse(['loopback']); parse(['call']); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_a_listener_without_a_secret_shows_the_whole_command_for_the_other_side() -> None:
    listener = start_command(
        "call", "--listen", "0.0.0.0:0", "--input", "silence", "--output", "null"
    )
    caller = listener
    try:
        assert listener.stderr is not None
        command = ""
        for line in listener.stderr:
            if found := re.search(r"the other side calls with: q2d2 call (\S+)", line):
                command = found.group(1)
                break
        code, at, where = command.rpartition("@")
        assert is_code_phrase(code)
        assert at
        peer = f"{code.upper().replace('-', '.')}@127.0.0.1:{where.rpartition(':')[2]}"
        caller = start_command(
            "call", peer, "--input", "silence", "--output", "null", "--wait", "30"
        )
        assert caller.stderr is not None
        assert any("encrypted, authenticated" in line for line in caller.stderr)
        caller.send_signal(signal.SIGINT)
        caller.communicate(timeout=30)
        assert caller.returncode == 0
        listener.communicate(timeout=30)
        assert listener.returncode == 0
    finally:
        for process in (listener, caller):
            process.kill()


def test_a_code_in_an_address() -> None:
    assert split_code("7-guitar-orbit-velvet@host:9000") == ("7-guitar-orbit-velvet", "host:9000")
    assert split_code("wss://7-a-b-c@[::1]:9") == ("7-a-b-c", "wss://[::1]:9")
    assert split_code("host") == (None, "host")
    assert reachable_host("192.0.2.7") == "192.0.2.7"
    assert reachable_host("voice.example") == "voice.example"
    assert reachable_host("0.0.0.0") != "0.0.0.0"
    command = command_for_the_other_side("7-a-b-c", parse_address("192.0.2.7:1"), 9000, tls=True)
    assert command == "q2d2 call wss://7-a-b-c@192.0.2.7:9000"


def test_the_qr_code_is_of_the_command() -> None:
    picture = qr_code("q2d2 call 7-guitar-orbit-velvet@192.0.2.7:9000").splitlines()
    assert len({len(line) for line in picture}) == 1
    assert len(picture[0]) < 40
    assert set("".join(picture)) <= set("█▀▄ ")
