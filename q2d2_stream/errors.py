"""Every error this package raises on purpose.

    Q2D2Error
    |-- InputError      samples, indices or options of the wrong kind, length or range
    |-- FormatError     bytes that are not a valid .q2d2 file or packet
    |-- ModelError      a model file that is missing, of another version, or not ours
    |-- WireError       bytes that are not a valid message, or a message out of place
    |   |-- HandshakeError   the two ends of a call do not fit together (version, model, secret)
    |   `-- SealError        a message that was forged, changed or sent again
    |-- CallError       a call that did not come about, or is over
    |-- DeviceError     a sound device that is missing or refuses its settings
    `-- MissingExtra    an optional dependency is not installed

Each message is one sentence that says what was wrong, what was expected and what to do.
"""

from __future__ import annotations

__all__ = [
    "CallError",
    "DeviceError",
    "FormatError",
    "HandshakeError",
    "InputError",
    "MissingExtra",
    "ModelError",
    "Q2D2Error",
    "SealError",
    "WireError",
]


class Q2D2Error(Exception):
    """Base of every deliberate error; the command line prints it and exits with status 1."""


class InputError(Q2D2Error, ValueError):
    """Samples, indices or options of the wrong kind, length or range."""


class FormatError(Q2D2Error, ValueError):
    """Bytes that are not a valid .q2d2 file, or not a valid packet of the codec."""


class ModelError(Q2D2Error):
    """A model file that is missing, damaged, or of a version this package cannot run."""


class WireError(Q2D2Error, ValueError):
    """Bytes that are not a valid wire message, or a valid message that comes out of place."""


class HandshakeError(WireError):
    """The two ends of a call do not fit together: version, model, or secret."""


class SealError(WireError):
    """A sealed message that does not open: forged, changed, or of another connection.

    Attributes:
        is_replay: it is genuine as far as it was looked at, but came before.
    """

    def __init__(self, text: str, *, is_replay: bool = False) -> None:
        super().__init__(text)
        self.is_replay = is_replay


class CallError(Q2D2Error):
    """A call that did not come about, or one that is over.

    Attributes:
        reason: "busy", "secret", "lost", "ended" and so on: docs/reference/protocol.md, Reasons.
    """

    def __init__(self, text: str, reason: str = "other") -> None:
        super().__init__(text)
        self.reason = reason


class DeviceError(Q2D2Error):
    """A sound device that is missing, busy, or refuses its settings."""


class MissingExtra(Q2D2Error, ImportError):
    """An optional dependency is missing; the message names the pip line that adds it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package}, which is not installed; "
            f"run: pip install 'q2d2-stream[{extra}]'"
        )
