"""``q2d2``: one command, and a module to each of its subcommands."""

from __future__ import annotations

import argparse
import os
import sys

from q2d2_stream import __version__
from q2d2_stream.cli import bench, decode, encode, grid, info
from q2d2_stream.cli.failures import run_command

__all__ = ["main"]

# A subcommand is a module with HELP, add_arguments(parser) and run(args) -> exit status, which
# imports what is heavy in run. To add one, add it here.
_COMMANDS = {"encode": encode, "decode": decode, "info": info, "bench": bench, "grid": grid}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="q2d2", description="A causal neural speech codec for 1.5 to 6 kbps."
    )
    parser.add_argument("--version", action="version", version=f"q2d2-stream {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in _COMMANDS.items():
        sub = commands.add_parser(name, help=module.HELP, description=module.__doc__)
        module.add_arguments(sub)
        sub.set_defaults(run=module.run)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand and return its exit status: 0, 1 after an error, 130 when interrupted.

    An error is one sentence on stderr.
    """
    args = _parser().parse_args(argv)

    def command() -> int:
        try:
            return int(args.run(args))
        except BrokenPipeError:
            # Whoever read our output has had enough; Python must not try to flush it at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1

    return run_command("q2d2", command)


if __name__ == "__main__":
    sys.exit(main())
