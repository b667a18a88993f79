"""What a command's exit status says: one table for all commands."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["EXIT_CODES", "ExitCode"]


class ExitCode(IntEnum):
    """The exit status of every ``q2d2`` command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    BUSY = 4
    REJECTED = 5
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """One line for people."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.OK: "done; of a call: either side hung up",
    ExitCode.FAILED: "an option, device, file or model is no good: the message says which",
    ExitCode.USAGE: "wrong usage",
    ExitCode.UNREACHABLE: "the peer could not be reached, or the connection broke for good",
    ExitCode.BUSY: "the line is busy",
    ExitCode.REJECTED: "the peer rejected the call: another secret, model or version",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C)",
}

EXIT_CODES = "exit status:\n" + "".join(f"  {code:<4} {code.meaning}\n" for code in ExitCode)
"""The table, as every command's help ends."""
