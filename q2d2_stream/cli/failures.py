"""How every command ends when something is wrong: one sentence and a status."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from q2d2_stream.cli.exit_codes import ExitCode
from q2d2_stream.cli.signals import Terminated, die_of, terminating
from q2d2_stream.cli.terminal import mend_streams
from q2d2_stream.errors import Q2D2Error

__all__ = ["UsageError", "leave_pipe", "run_command"]

_FULL = {
    errno.ENOSPC: "free some space, or write elsewhere",
    errno.EDQUOT: "free some space, or write elsewhere",
    errno.EFBIG: "raise the limit of a file's size (ulimit -f), or write elsewhere",
}


class UsageError(Q2D2Error):
    """Options that argparse takes one by one and that make no command together."""


def run_command(program: str, command: Callable[[], int]) -> int:
    """``command``'s exit status; FAILED after a sentence on stderr when it fails on purpose or for
    the operating system's reasons, INTERRUPTED when it is interrupted."""
    mend_streams()
    try:
        with terminating():
            return int(command())
    except UsageError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return ExitCode.USAGE
    except Q2D2Error as error:
        sentence = str(error)
    except BrokenPipeError:
        # Whoever read our output has had enough; Python must not try to flush it at exit.
        leave_pipe()
        return ExitCode.FAILED
    except OSError as error:
        sentence = _of_system(error)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Terminated as signal:
        die_of(signal.number)
    print(f"{program}: {sentence}", file=sys.stderr)
    return ExitCode.FAILED


def leave_pipe() -> None:
    """Write no more to a standard output that nobody reads: Python flushes it when it ends."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _of_system(error: OSError) -> str:
    """What the operating system says, and what to do where that is known."""
    where = f"{error.filename}: " if error.filename else ""
    advice = f": {_FULL[error.errno]}" if error.errno in _FULL else ""
    return f"{where}{error.strerror or error}{advice}"
