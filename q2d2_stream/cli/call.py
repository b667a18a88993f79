"""``q2d2 call``: a voice call between two machines."""

from __future__ import annotations

import argparse
import asyncio
import os
import ssl
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from q2d2_stream.cli import call_parts, room
from q2d2_stream.cli.call_display import Display, make_display
from q2d2_stream.cli.call_options import add_settings_arguments, settings_of, show_devices
from q2d2_stream.cli.call_runner import KEYS, exit_code, hold, room_keys
from q2d2_stream.cli.exit_codes import ExitCode
from q2d2_stream.cli.failures import UsageError
from q2d2_stream.cli.interrupts import Interrupts
from q2d2_stream.cli.invitation import (
    command_for_the_other_side,
    is_secure_link,
    link_for_browsers,
    qr_code,
    web_host,
)
from q2d2_stream.cli.options import codecs_of
from q2d2_stream.cli.process_start import process_start_s
from q2d2_stream.errors import InputError

if TYPE_CHECKING:
    from q2d2_stream.call import CallSession, Connector, RoomCall
    from q2d2_stream.engine import Codec
    from q2d2_stream.protocol import Secret
    from q2d2_stream.rooms import RoomLink
    from q2d2_stream.settings import CallSettings

__all__ = ["DESCRIPTION", "EPILOG", "add_arguments", "check", "open_connector", "run"]

DESCRIPTION = "A voice call at 1.5 to 6 kbps. One side listens, the other calls it."
EPILOG = """\
examples:
  q2d2 call --listen 0.0.0.0:9000
  q2d2 call 7-guitar-orbit-velvet@host:9000
  q2d2 call --listen 0.0.0.0:9000 --web --tls-cert cert.pem --tls-key key.pem
  q2d2 call host:9000 --secret-file secret.txt
  q2d2 call --new-room https://relay.example --name Ann
  q2d2 call 'https://relay.example/#k=...' --name Bob
  q2d2 call --new-room https://relay.example --code; q2d2 call 7-guitar-orbit@relay.example
  q2d2 call wss://host:9000 --ca cert.pem --input speech.wav --output heard.wav

"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``q2d2 call``."""
    parser.add_argument("to", nargs="?", metavar="PEER", help="the same as --peer PEER")
    add_settings_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Hold a call."""
    if args.list_devices:
        return show_devices()
    settings = settings_of(args, **({"peer": args.to} if args.to is not None else {}))
    if not (settings.listen or settings.peer or settings.new_room):
        raise UsageError(
            "nobody to call: expected PEER, --listen HOST:PORT, --new-room https://RELAY or "
            "--list-devices"
        )
    if settings.code and not room.is_room(settings):
        raise UsageError("--code is for rooms: expected --new-room https://RELAY or a link")
    if room.is_room(settings):
        room.check_room(settings)
        link = room.link_of(settings)
        if settings.print_link:
            print(link)
            return ExitCode.OK
        return asyncio.run(_call(settings, link))
    return asyncio.run(_call(settings))


async def _call(settings: CallSettings, link: RoomLink | None = None) -> int:
    from q2d2_stream.files.file_source import FileSource

    call_parts.require_distinct_files(settings)
    codecs = codecs_of(settings)
    display = make_display(KEYS if link is None else room_keys(push_to_talk=settings.ptt))
    async with AsyncExitStack() as stack:
        stack.callback(display.close)
        interrupts = stack.enter_context(Interrupts())
        if link is None:
            line = await open_connector(settings, codecs, display, stack, may_make_code=True)
        elif settings.new_room is not None and not settings.code:
            room.show_link(link, display.notify)
        while True:
            source = call_parts.source_of(settings, display.notify)
            hangup = settings.hangup_at_end
            if hangup is None:
                hangup = isinstance(source, FileSource) and settings.peer is not None
            recorder = call_parts.recorder_of(settings, is_room=link is not None)
            try:
                begun_s = None if settings.listen else process_start_s()
                session: CallSession | RoomCall
                if link is not None:
                    session = room.room_of(
                        settings,
                        codecs,
                        link,
                        display.notify,
                        source=source,
                        recorder=recorder,
                        hangup_at_end=bool(hangup),
                        begun_s=begun_s,
                    )
                else:
                    session = call_parts.session_of(
                        settings,
                        codecs,
                        line,
                        display.notify,
                        source=source,
                        recorder=recorder,
                        hangup_at_end=hangup,
                        begun_s=begun_s,
                        numbered=settings.keep_listening,
                    )
                closed = await hold(session, settings, display, interrupts)
            finally:
                if recorder is not None:
                    await asyncio.to_thread(recorder.close)
            code = exit_code(closed, session.was_established)
            if code is not ExitCode.INTERRUPTED:
                print(closed.text, file=sys.stderr, flush=True)
            has_hung_up = code in (ExitCode.OK, ExitCode.INTERRUPTED) and not closed.by_peer
            if has_hung_up or not settings.keep_listening:
                return code


def check(settings: CallSettings) -> None:
    """Raise what the call would fail with before it listens or dials, but for its sound."""
    from q2d2_stream.call import parse_address
    from q2d2_stream.netsim import parse_link
    from q2d2_stream.transport.address import split_code
    from q2d2_stream.transport.serial import parse_serial_address

    call_parts.require_distinct_files(settings)
    codecs = codecs_of(settings)
    codecs[0].config.find_rate(settings.rate)
    if room.is_room(settings):
        room.check_room(settings)
        room.link_of(settings)
        return
    call_parts.endpoint_of(settings, codecs, _secret(settings))
    web_host(settings.web_address)
    if settings.simulate is not None:
        parse_link(settings.simulate)
    if settings.address.startswith("serial:"):
        parse_serial_address(settings.address)
    else:
        _tls(settings, secure=parse_address(split_code(settings.address)[1]).secure)


async def open_connector(
    settings: CallSettings,
    codecs: Sequence[Codec],
    display: Display,
    stack: AsyncExitStack,
    *,
    may_make_code: bool = False,
) -> Connector:
    """What brings connections: a listener or a dialer, as ``settings`` say.

    It is closed with ``stack``. A listener that has no secret makes a code and shows it, where
    ``may_make_code``. Raises InputError for options that do not fit together.
    """
    from q2d2_stream.call import CallClient, CallServer, ClientOptions, parse_address
    from q2d2_stream.netsim import parse_link, simulated
    from q2d2_stream.protocol import Secret, make_code_phrase
    from q2d2_stream.transport.address import split_code
    from q2d2_stream.transport.limits import ConnectionLimits
    from q2d2_stream.web import call_site

    if settings.address.startswith("serial:"):
        return await _open_serial(settings, codecs, display, stack)
    address = parse_address(split_code(settings.address)[1])
    secret, code = _secret(settings), None
    needs_secret = secret is None and settings.auth and not address.is_loopback
    if settings.listen and needs_secret and may_make_code:
        code = make_code_phrase()
        secret = Secret(code)
    endpoint = call_parts.endpoint_of(settings, codecs, secret)
    wrap = simulated(parse_link(settings.simulate)) if settings.simulate is not None else None
    context = _tls(settings, secure=address.secure)
    if settings.peer:
        options = ClientOptions(
            wait_s=settings.wait, return_s=settings.hold, use_proxy=settings.proxy
        )
        return CallClient(
            address,
            endpoint,
            ssl_context=context,
            wrap=wrap,
            options=options,
            auth=settings.auth,
            udp_only=settings.transport == "udp",
        )
    web = web_host(settings.web_address)
    listener = CallServer(
        address,
        endpoint,
        ssl_context=context,
        wrap=wrap,
        limits=ConnectionLimits(hold_s=settings.hold),
        auth=settings.auth,
        notify=display.notify,
        udp_only=settings.transport == "udp",
        site=call_site(needs_secret=secret is not None) if settings.web else None,
        web_host=web,
    )
    await listener.start()
    stack.push_async_callback(listener.close)
    display.notify(f"listening on {address.host} port {listener.port}")
    tls = context is not None
    if settings.web:
        link = link_for_browsers(settings.web_address, address, listener.port, code, tls=tls)
        _show(link, display)
        display.notify(f"browsers call with: {link}")
        if not is_secure_link(link):
            display.notify(
                "browsers give no microphone to that address: it is neither https:// nor of their "
                "own machine; see docs/guides/browser.md"
            )
    if code is not None:
        command = command_for_the_other_side(code, address, listener.port, tls=tls)
        if not settings.web:
            _show(command, display)
        display.notify(f"the other side calls with: {command}")
    return listener


def _show(text: str, display: Display) -> None:
    """A QR code, for who holds a camera before the terminal."""
    if sys.stderr.isatty():
        display.notify(qr_code(text))


async def _open_serial(
    settings: CallSettings, codecs: Sequence[Codec], display: Display, stack: AsyncExitStack
) -> Connector:
    from q2d2_stream.call.serial_line import SerialConnector
    from q2d2_stream.protocol import Role
    from q2d2_stream.transport.serial import parse_serial_address

    line = SerialConnector(
        parse_serial_address(settings.address),
        call_parts.endpoint_of(settings, codecs, _secret(settings)),
        Role.CLIENT if settings.peer else Role.SERVER,
        is_half_duplex=settings.ptt,
        wait_s=settings.wait,
    )
    await line.start()
    stack.push_async_callback(line.close)
    display.notify(f"{'calling' if settings.peer else 'listening'} on {settings.address}")
    return line


def _secret(settings: CallSettings) -> Secret | None:
    from q2d2_stream.files.secret_file import read_secret_file
    from q2d2_stream.protocol import Secret
    from q2d2_stream.transport.address import split_code

    text = settings.secret
    code, _ = split_code(settings.address)
    if code is not None:
        if text is not None or settings.secret_file is not None:
            raise InputError("a code and a secret are both given, expected one of them")
        text = code
    if settings.secret_file is not None:
        text = read_secret_file(settings.secret_file)
    if text is None:
        text = os.environ.get("Q2D2_SECRET")
    return Secret(text) if text is not None else None


def _tls(settings: CallSettings, *, secure: bool) -> ssl.SSLContext | None:
    from q2d2_stream.transport.tls import client_context, server_context

    if settings.peer:
        if settings.tls_cert or settings.tls_key:
            raise InputError("--tls-cert and --tls-key are for --listen; a caller uses --ca")
        if settings.ca and not secure:
            raise InputError("--ca needs TLS: call wss://host:port")
        return client_context(settings.ca) if secure else None
    if settings.ca:
        raise InputError("--ca is for --peer; a listener uses --tls-cert and --tls-key")
    if settings.tls_key and not settings.tls_cert:
        raise InputError("--tls-key needs --tls-cert")
    if secure and not settings.tls_cert:
        raise InputError("listening with wss:// needs --tls-cert and --tls-key")
    return server_context(settings.tls_cert, settings.tls_key) if settings.tls_cert else None
