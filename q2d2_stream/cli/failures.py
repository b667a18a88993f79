"""How every command ends when something is wrong: one sentence and a status."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from q2d2_stream.cli.exit_codes import ExitCode
from q2d2_stream.errors import Q2D2Error

__all__ = ["UsageError", "run_command"]


class UsageError(Q2D2Error):
    """Options that argparse takes one by one and that make no command together."""


def run_command(program: str, command: Callable[[], int]) -> int:
    """``command``'s exit status; FAILED after a sentence on stderr when it fails on purpose or for
    the operating system's reasons, INTERRUPTED when it is interrupted."""
    try:
        return int(command())
    except UsageError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return ExitCode.USAGE
    except Q2D2Error as error:
        sentence = str(error)
    except BrokenPipeError:
        # Whoever read our output has had enough; Python must not try to flush it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sentence = f"{where}{error.strerror or error}"
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    print(f"{program}: {sentence}", file=sys.stderr)
    return ExitCode.FAILED
