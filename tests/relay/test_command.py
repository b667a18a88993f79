"""``q2d2 relay`` as an operator runs it."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from q2d2_stream.cli.main import main
from q2d2_stream.rooms import MemberNamed, RoomLink
from tests.labs.call import run_in_real_time as run
from tests.labs.relay import Guest, until

LINK = RoomLink.new("http://127.0.0.1:1")


@pytest.mark.net
def test_a_relay_counts_and_stops_in_good_order() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        metrics = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "q2d2_stream", "relay", "--listen", "127.0.0.1:0",
         "--no-web", "--metrics", str(metrics)], stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    line = process.stderr.readline()
    port = int(line.split()[-1])

    async def stay() -> None:
        ann, bob = [await Guest(LINK, name).enter(port) for name in ("Ann", "Bob")]
        await until(lambda: any(isinstance(e, MemberNamed) for e in bob.events), "Ann's name")

        def read() -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics") as answer:
                return str(answer.read().decode())

        text = await asyncio.to_thread(read)
        assert "q2d2_relay_people 2.0" in text
        assert "q2d2_relay_forwarded_total" in text
        assert "q2d2_relay_people_by_udp 0.0" in text  # these two do not ask for it
        assert "q2d2_relay_udp_strange_total 0.0" in text
        assert "127.0.0.1" not in text
        process.send_signal(signal.SIGTERM)
        await until(lambda: ann.closed and bob.closed, "the end")
        for guest in (ann, bob):
            await guest.leave()

    try:
        run(stay())
        assert process.wait(20) == 0
        assert process.stderr.read() == ""
    finally:
        process.kill()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--listen", "0.0.0.0:0"], "--tls-cert"),
        (["--tls-key", "key.pem"], "--tls-cert"),
        (["--bus", "redis://x"], "nats://"),
        (["--listen", "127.0.0.1:0", "--members", "1"], "2 to 64"),
        (["--listen", "127.0.0.1:0", "--speakers", "0"], "at least 1"),
        (["--listen", "nonsense:::"], "address"),
        (["--listen", "127.0.0.1:0", "--udp-port", "70000"], "0 to 65535"),
        (["--listen", "127.0.0.1:0", "--udp-port", "9", "--no-udp"], "one of them"),
    ],
)
def test_a_wrong_option_is_one_sentence(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["relay", *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("q2d2 relay: ")
    assert words in line
