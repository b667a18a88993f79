"""Who gets a call and who does not: secrets, TLS, busy lines, open doors."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from q2d2_stream.call import CallServer, parse_address
from q2d2_stream.errors import InputError
from q2d2_stream.protocol import Closed, Endpoint, LocalModel, Reason
from q2d2_stream.transport.tls import client_context, server_context
from tests.labs.call import (
    SECRET,
    codec,
    dial,
    endpoint,
    free_port,
    listen,
    make_session,
    run,
    until,
)


def call_once(listen_options: dict[str, Any], dial_options: dict[str, Any]) -> Closed:
    """Dial a listener once and hang up if it answers; how that ended for the caller."""
    ends: list[Closed] = []

    async def main() -> None:
        async with listen(**listen_options) as listener:
            callee = make_session(listener)
            caller = make_session(dial(listener.port, **dial_options))
            tasks = [asyncio.create_task(side.run()) for side in (callee, caller)]
            await until(lambda: caller.stats().state == "talking" or tasks[1].done(), "an answer")
            caller.hang_up()
            ends.append(await tasks[1])
            callee.hang_up()
            await tasks[0]
            assert callee.was_established == caller.was_established

    run(main())
    return ends[0]


@pytest.mark.parametrize(
    ("ours", "theirs"), [(SECRET, SECRET + "!"), (None, SECRET), (SECRET, None)]
)
def test_the_wrong_secret_is_refused(ours: str | None, theirs: str | None) -> None:
    end = call_once({"secret": ours}, {"secret": theirs})
    assert end.reason is Reason.SECRET
    assert "secret" in end.text
    assert SECRET not in end.text


def test_another_model_is_refused_by_name() -> None:
    other = Endpoint((LocalModel(codec().config, "other-model", bytes(8)),))
    end = call_once({}, {"own": other})
    assert end.reason is Reason.MODEL
    assert "other-model" in end.text


def test_a_second_caller_hears_that_the_line_is_busy() -> None:
    async def main() -> None:
        async with listen(SECRET) as listener:
            callee, caller = make_session(listener), make_session(dial(listener.port, SECRET))
            tasks = [asyncio.create_task(side.run()) for side in (callee, caller)]
            await until(lambda: caller.stats().state == "talking", "the call")
            late = make_session(dial(listener.port, SECRET))
            end = await late.run()
            assert end.reason is Reason.BUSY
            assert not late.was_established
            # Who is patient gets the line when it is free.
            patient = make_session(dial(listener.port, SECRET, wait_s=20.0))
            waiting = asyncio.create_task(patient.run())
            await asyncio.sleep(0.5)
            assert caller.stats().state == "talking"
            caller.hang_up()
            await asyncio.gather(*tasks)
            again = make_session(listener)
            answered = asyncio.create_task(again.run())
            await until(lambda: patient.stats().state == "talking", "the next call")
            patient.hang_up()
            await asyncio.gather(waiting, answered)

    run(main())


def test_nobody_there() -> None:
    async def main() -> None:
        end = await make_session(dial(free_port())).run()
        assert end.reason is Reason.LOST
        assert "cannot be reached" in end.text

    run(main())


def test_listening_to_the_world_needs_a_secret_or_open() -> None:
    everywhere = parse_address("0.0.0.0:0")
    with pytest.raises(InputError, match="--no-auth"):
        CallServer(everywhere, endpoint())
    CallServer(everywhere, endpoint(), auth=False)
    CallServer(everywhere, endpoint(SECRET))
    CallServer(parse_address("[::1]:0"), endpoint())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed (apt-get install openssl)")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    command += " -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
    subprocess.run(
        [*command.split(), "-keyout", key, "-out", cert], check=True, capture_output=True
    )
    return cert, key


def test_a_call_over_tls(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate

    async def main() -> None:
        async with listen(SECRET, ssl_context=server_context(cert, key)) as listener:
            uri = f"wss://127.0.0.1:{listener.port}"
            trusting = dial(0, SECRET, uri=uri, ssl_context=client_context(cert))
            callee, caller = make_session(listener), make_session(trusting)
            tasks = [asyncio.create_task(side.run()) for side in (callee, caller)]
            await until(lambda: callee.stats().playout.received > 30, "audio")
            assert caller.stats().state == "talking"
            caller.hang_up()
            await asyncio.gather(*tasks)
            # 22 bytes of TLS record with every message
            sent = caller.stats().sent.wire_bytes / caller.stats().counters.sent
            assert sent > 22 + 4 + 52

    run(main())


def test_an_unknown_certificate_is_not_trusted(certificate: tuple[Path, Path]) -> None:
    context = server_context(*certificate)

    async def main() -> None:
        async with listen(ssl_context=context) as listener:
            uri = f"wss://127.0.0.1:{listener.port}"
            end = await make_session(dial(0, uri=uri, ssl_context=client_context())).run()
            assert "--ca" in end.text
            assert end.reason is Reason.OTHER
            end = await make_session(dial(listener.port)).run()  # no TLS where TLS is spoken
            assert end.reason is Reason.LOST

    run(main())


def test_files_that_are_no_certificates(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("hello")
    for context, name in (
        (server_context, "cert.pem"),
        (server_context, "missing.pem"),
        (client_context, "cert.pem"),
    ):
        with pytest.raises(InputError, match="cannot be used"):
            context(tmp_path / name)


def test_the_tls_of_a_listener_is_modern(certificate: tuple[Path, Path]) -> None:
    assert server_context(*certificate).minimum_version >= ssl.TLSVersion.TLSv1_2
