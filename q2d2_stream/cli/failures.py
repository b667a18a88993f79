"""How every command ends when something is wrong: one sentence and a status."""

from __future__ import annotations

import sys
from collections.abc import Callable

from q2d2_stream.errors import Q2D2Error

__all__ = ["run_command"]


def run_command(program: str, command: Callable[[], int]) -> int:
    """``command``'s exit status; 1 after a sentence on stderr when it fails on purpose or for the
    operating system's reasons, 130 when it is interrupted."""
    try:
        return command()
    except Q2D2Error as error:
        sentence = str(error)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sentence = f"{where}{error.strerror or error}"
    except KeyboardInterrupt:
        return 130
    print(f"{program}: {sentence}", file=sys.stderr)
    return 1
