"""``q2d2 relay``: forward the sealed messages of rooms, alone or with other relays."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from q2d2_stream.cli.exit_codes import ExitCode
from q2d2_stream.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from q2d2_stream.relay import Bus
    from q2d2_stream.web import Site

__all__ = ["DESCRIPTION", "EPILOG", "add_arguments", "run"]

DESCRIPTION = (
    "Hold rooms for any number of people behind any router. A relay forwards what it cannot open."
)
EPILOG = """\
examples:
  q2d2 relay --tls-cert fullchain.pem --tls-key privkey.pem      # port 443 of this machine
  q2d2 relay --listen 127.0.0.1:8080 --behind-proxy              # behind a proxy that does TLS
  q2d2 relay --listen 127.0.0.1:8080 --bus nats://nats:4222      # one of several

"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--listen", metavar="HOST:PORT",
        help="where to listen (default: 0.0.0.0:443 with a certificate, else 127.0.0.1:8080)",
    )  # fmt: skip
    parser.add_argument("--tls-cert", metavar="PEM", help="the certificate, with its chain")
    parser.add_argument("--tls-key", metavar="PEM", help="its key, unless the certificate holds it")
    parser.add_argument(
        "--bus", metavar="URL", action="append", default=[],
        help="nats://HOST:4222: share the rooms with other relays; may be given several times",
    )  # fmt: skip
    parser.add_argument("--members", type=int, default=32, help="people in a room (default: 32)")
    parser.add_argument(
        "--speakers", type=int, default=4, help="how many are heard at once (default: 4)"
    )
    parser.add_argument("--rooms", type=int, default=1024, help="rooms at once (default: 1024)")
    parser.add_argument(
        "--people", type=int, default=4096, help="people in all rooms (default: 4096)"
    )
    parser.add_argument(
        "--per-address", type=int, default=64,
        help="people from one address; more where many sit behind one router (default: 64)",
    )  # fmt: skip
    parser.add_argument(
        "--behind-proxy", action="store_true",
        help="addresses are those that a proxy puts last in X-Forwarded-For",
    )  # fmt: skip
    parser.add_argument(
        "--no-web", action="store_true",
        help="hand out no page: browsers cannot come, nor the pages of other sites",
    )  # fmt: skip
    parser.add_argument(
        "--udp-port", type=int, metavar="PORT",
        help="take audio by UDP here (default: as --listen; behind a proxy: not at all)",
    )  # fmt: skip
    parser.add_argument(
        "--no-udp", action="store_true", help="take no audio by UDP: websockets alone"
    )
    parser.add_argument(
        "--metrics", type=int, metavar="PORT",
        help="serve the numbers to Prometheus at http://127.0.0.1:PORT/metrics",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Relay until SIGTERM or Ctrl-C."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    main = _relay(args)
    try:
        import uvloop
    except ImportError:  # half as fast without it
        asyncio.run(main)
    else:
        uvloop.run(main)
    return ExitCode.OK


async def _relay(args: argparse.Namespace) -> None:
    from q2d2_stream.relay import Relay, RelayLimits
    from q2d2_stream.transport.address import parse_address
    from q2d2_stream.transport.tls import server_context

    if args.tls_key and not args.tls_cert:
        raise InputError("--tls-key needs --tls-cert")
    context = server_context(args.tls_cert, args.tls_key) if args.tls_cert else None
    address = parse_address(args.listen or ("0.0.0.0:443" if context else "127.0.0.1:8080"))
    if context is None and not address.is_loopback:
        raise InputError(
            f"relaying on {address} without TLS lets anybody on the way see who talks when: give "
            "--tls-cert, or listen on 127.0.0.1 behind a proxy"
        )
    if args.behind_proxy and not address.is_loopback:
        raise InputError(
            f"--behind-proxy with --listen {address}: whoever calls there without the proxy could "
            "claim any address; listen on 127.0.0.1"
        )
    if args.no_udp and args.udp_port is not None:
        raise InputError("--no-udp and --udp-port: expected one of them")
    if args.udp_port is not None and not 0 <= args.udp_port <= 65535:
        raise InputError(f"--udp-port is {args.udp_port}, expected 0 to 65535")
    limits = RelayLimits(
        people=args.people, people_per_address=args.per_address,
        behind_proxy=args.behind_proxy,
        rooms=args.rooms, members=args.members, speakers=args.speakers,
    )  # fmt: skip
    site, no_site = (None, "") if args.no_web else _site()
    relay = Relay(
        address, _bus(args.bus), ssl_context=context, limits=limits, site=site,
        udp=not args.no_udp, udp_port=args.udp_port,
    )  # fmt: skip
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
            stack.callback(loop.remove_signal_handler, number)
        await relay.start()
        if args.metrics is not None:
            from q2d2_stream.relay.metrics import serve_metrics

            stack.callback(serve_metrics(relay, args.metrics))
        print(f"relaying on {address.host} port {relay.port}", file=sys.stderr, flush=True)
        if no_site:
            print(f"browsers cannot come: {no_site}", file=sys.stderr, flush=True)
        await stopped.wait()
        await relay.stop()


def _site() -> tuple[Site | None, str]:
    """The page for browsers; a relay does without it where it was not built, and says why."""
    from q2d2_stream.web import relay_site

    try:
        return relay_site(), ""
    except InputError as error:
        return None, str(error)


def _bus(urls: list[str]) -> Bus | None:
    if not urls:
        return None
    wrong = [url for url in urls if not url.startswith(("nats://", "tls://"))]
    if wrong:
        raise InputError(f"--bus is {wrong[0]!r}, expected nats://HOST:PORT or tls://HOST:PORT")
    try:
        from q2d2_stream.relay.nats_bus import NatsBus
    except ImportError as error:
        raise MissingExtra("nats-py", "relay", "--bus") from error
    return NatsBus(*urls)
