"""``q2d2``: one command, and a module to each of its sub-commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from q2d2_stream import __version__
from q2d2_stream.cli.exit_codes import EXIT_CODES
from q2d2_stream.cli.failures import run_command
from q2d2_stream.cli.renamed import renamed

__all__ = ["call", "doctor", "loopback", "main", "serve"]

# A sub-command is a module of this package with DESCRIPTION, add_arguments(parser) and
# run(args) -> exit status, which imports what is heavy in run; EPILOG is optional. The order is
# that of the help.
_COMMANDS = {
    "call": "hold a voice call with another machine",
    "loopback": "hear yourself through the codec and a simulated network",
    "encode": "encode a sound file",
    "decode": "decode a .q2d2 file",
    "info": "show what a .q2d2 file or a model holds",
    "doctor": "check whether this machine can hold a call",
    "serve": "answer or keep calls without anybody at the machine (systemd)",
    "relay": "hold rooms for any number of people behind any router",
    "bench": "measure the speed of the codec on this machine",
    "grid": "draw the lattice",
}

_RENAMED = {
    "call": {"--open": "--no-auth"},
    "encode": {"--fixed": "--no-entropy-coding", "--search": "--effort max"},
}


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    """The parser; only the ``chosen`` command's options are declared, for its module is imported
    for that."""
    parser = argparse.ArgumentParser(
        prog="q2d2",
        description="A causal neural speech codec for 1.5 to 6 kbps, and live calls over it.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"q2d2-stream {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in _COMMANDS.items():
        if name != chosen:
            commands.add_parser(name, help=summary)
            continue
        module = import_module(f"q2d2_stream.cli.{name}")
        sub = commands.add_parser(
            name,
            help=summary,
            description=module.DESCRIPTION,
            epilog=getattr(module, "EPILOG", "") + EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(sub)
        sub.set_defaults(run=module.run)
    return parser


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The options of a command line, without the program's name; exits where they are wrong."""
    chosen = next((word for word in argv if not word.startswith("-")), None)
    return _parser(chosen).parse_args(renamed(argv, _RENAMED.get(chosen or "", {})))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one sub-command and return its exit status; an error is one sentence on stderr."""
    args = parse(sys.argv[1:] if argv is None else argv)
    return run_command(f"q2d2 {args.command}", lambda: args.run(args))


def call() -> int:
    """``q2d2-call``: the name that ``q2d2 call`` had, which scripts and units use."""
    return main(["call", *sys.argv[1:]])


def loopback() -> int:
    """``q2d2-loopback``: the older name of ``q2d2 loopback``."""
    return main(["loopback", *sys.argv[1:]])


def doctor() -> int:
    """``q2d2-doctor``: the older name of ``q2d2 doctor``."""
    return main(["doctor", *sys.argv[1:]])


def serve() -> int:
    """``q2d2-service``: the older name of ``q2d2 serve``."""
    return main(["serve", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
