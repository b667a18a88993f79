"""``q2d2 call``: a voice call between two machines."""

from __future__ import annotations

import argparse
import asyncio
import os
import ssl
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from q2d2_stream.cli import call_options, call_parts
from q2d2_stream.cli.call_display import Display, make_display
from q2d2_stream.cli.call_runner import (
    KEYS,
    add_watching_arguments,
    exit_code,
    hold,
)
from q2d2_stream.cli.exit_codes import ExitCode
from q2d2_stream.cli.failures import UsageError
from q2d2_stream.cli.interrupts import Interrupts
from q2d2_stream.cli.options import codec_of
from q2d2_stream.cli.process_start import process_start_s
from q2d2_stream.errors import InputError

if TYPE_CHECKING:
    from q2d2_stream.call import Connector
    from q2d2_stream.engine import Codec
    from q2d2_stream.protocol import Secret

__all__ = ["DESCRIPTION", "EPILOG", "add_arguments", "open_connector", "run"]

DESCRIPTION = "A voice call at 1.5 to 6 kbps. One side listens, the other calls it."
EPILOG = """\
examples:
  q2d2 call --listen 0.0.0.0:9000 --secret-file secret.txt
  q2d2 call host:9000 --secret-file secret.txt
  q2d2 call wss://host:9000 --ca cert.pem --input speech.wav --output heard.wav

"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``q2d2 call``, which the service shares."""
    peer = parser.add_argument_group("peer")
    who = peer.add_mutually_exclusive_group()
    who.add_argument("to", nargs="?", metavar="PEER", help="the same as --peer PEER")
    who.add_argument("--listen", metavar="HOST:PORT", help="wait there for a call")
    who.add_argument("--peer", metavar="HOST:PORT", help="call there; wss://HOST:PORT with TLS")
    peer.add_argument(
        "--secret", help="both sides must know it (better: --secret-file or Q2D2_SECRET)"
    )
    peer.add_argument("--secret-file", metavar="FILE", help="read the secret from a file")
    peer.add_argument(
        "--open", action="store_true", help="listen to the world without a secret, if you mean it"
    )
    peer.add_argument("--tls-cert", metavar="PEM", help="listen with TLS, with this certificate")
    peer.add_argument("--tls-key", metavar="PEM", help="its key, unless the certificate holds it")
    peer.add_argument("--ca", metavar="PEM", help="trust this authority, or certificate, alone")
    peer.add_argument(
        "--wait",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="keep calling for so long when nobody answers or the line is busy (default: 0)",
    )
    peer.add_argument(
        "--keep-listening", action="store_true", help="wait for another call after each"
    )
    peer.add_argument(
        "--hangup-at-end",
        action=argparse.BooleanOptionalAction,
        help="hang up when the input file is over (default: the caller does, a listener stays)",
    )
    call_options.add_sound_arguments(parser)
    add_watching_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Hold a call."""
    args.peer = args.to or args.peer
    if args.list_devices:
        return call_options.show_devices()
    if not (args.listen or args.peer):
        raise UsageError("nobody to call: expected PEER, --listen HOST:PORT or --list-devices")
    return asyncio.run(_call(args))


async def _call(args: argparse.Namespace) -> int:
    from q2d2_stream.audio import FileSource

    if args.keep_listening and (args.output or "").lower().endswith(".wav"):
        raise InputError(
            "--keep-listening would write the next call over this one's --output: use --record"
        )
    codec = codec_of(args, denoise=args.denoise)
    display = make_display(KEYS)
    async with AsyncExitStack() as stack:
        stack.callback(display.close)
        interrupts = stack.enter_context(Interrupts())
        line = await open_connector(args, codec, display, stack)
        while True:
            source = call_parts.source_of(args, display.notify)
            hangup = args.hangup_at_end
            if hangup is None:
                hangup = isinstance(source, FileSource) and args.peer is not None
            recorder = call_parts.recorder_of(args)
            try:
                session = call_parts.session_of(
                    args,
                    codec,
                    line,
                    display.notify,
                    source=source,
                    recorder=recorder,
                    hangup_at_end=hangup,
                    begun_s=process_start_s() if args.peer else None,
                )
                closed = await hold(session, args, display, interrupts)
            finally:
                if recorder is not None:
                    await asyncio.to_thread(recorder.close)
            code = exit_code(closed, session.was_established)
            if code is not ExitCode.INTERRUPTED:
                print(closed.text, file=sys.stderr, flush=True)
            has_hung_up = code in (ExitCode.OK, ExitCode.INTERRUPTED) and not closed.by_peer
            if has_hung_up or not args.keep_listening:
                return code


async def open_connector(
    args: argparse.Namespace, codec: Codec, display: Display, stack: AsyncExitStack
) -> Connector:
    """What brings connections: a listener or a dialer, as ``args`` of :func:`add_arguments` say.

    It is closed with ``stack``. Raises InputError for options that do not fit together.
    """
    from q2d2_stream.call import CallClient, CallServer, ClientOptions, parse_address
    from q2d2_stream.netsim import parse_link, simulated

    endpoint = call_parts.endpoint_of(args, codec, _secret(args))
    wrap = simulated(parse_link(args.simulate)) if args.simulate is not None else None
    address = parse_address(args.listen or args.peer)
    context = _tls(args, secure=address.secure)
    if args.peer:
        options = ClientOptions(wait_s=args.wait)
        return CallClient(address, endpoint, ssl_context=context, wrap=wrap, options=options)
    listener = CallServer(address, endpoint, ssl_context=context, wrap=wrap, is_open=args.open)
    await listener.start()
    stack.push_async_callback(listener.close)
    display.notify(f"listening on {address.host} port {listener.port}")
    return listener


def _secret(args: argparse.Namespace) -> Secret | None:
    from q2d2_stream.protocol import Secret

    text = args.secret
    if args.secret_file is not None:
        if text is not None:
            raise InputError("--secret and --secret-file are both given, expected one of them")
        text = Path(args.secret_file).read_text(encoding="utf-8").strip()
    if text is None:
        text = os.environ.get("Q2D2_SECRET")
    return Secret(text) if text is not None else None


def _tls(args: argparse.Namespace, *, secure: bool) -> ssl.SSLContext | None:
    from q2d2_stream.transport.tls import client_context, server_context

    if args.peer:
        if args.tls_cert or args.tls_key:
            raise InputError("--tls-cert and --tls-key are for --listen; a caller uses --ca")
        if args.ca and not secure:
            raise InputError("--ca needs TLS: call wss://host:port")
        return client_context(args.ca) if secure else None
    if args.ca:
        raise InputError("--ca is for --peer; a listener uses --tls-cert and --tls-key")
    if args.tls_key and not args.tls_cert:
        raise InputError("--tls-key needs --tls-cert")
    if secure and not args.tls_cert:
        raise InputError("listening with wss:// needs --tls-cert and --tls-key")
    return server_context(args.tls_cert, args.tls_key) if args.tls_cert else None
