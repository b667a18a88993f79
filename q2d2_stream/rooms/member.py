"""One of the others in a room, as this side knows them."""

from __future__ import annotations

from q2d2_stream.frames import AudioFrames
from q2d2_stream.protocol.audio import AudioBody, AudioReader
from q2d2_stream.protocol.endpoint import Direction, Endpoint, LocalModel
from q2d2_stream.protocol.limits import TokenBucket
from q2d2_stream.protocol.sealing import DirectionKeys, Opened, Opener
from q2d2_stream.protocol.sequence import SequenceWindow, Verdict
from q2d2_stream.rooms.intro import Intro

__all__ = ["Member", "Voice"]

_FRAMES_PER_S, _FRAMES_BURST = 100.0, 1500.0
_NOTES_PER_S, _NOTES_BURST = 1.0, 5.0  # as many as a person can read


class Voice:
    """Opens and reads the audio of one member, once its introduction has come.

    Args:
        opener: of its audio.
        direction: how it is coded.
        sequence: of its next frame.
        frames: what bounds its frames.

    Attributes:
        model: what it is decoded with.
    """

    def __init__(
        self, opener: Opener, direction: Direction, sequence: int, frames: TokenBucket
    ) -> None:
        self.model = direction.model
        self._opener, self._frames = opener, frames
        self._reader = AudioReader(direction, sequence)
        self._window = SequenceWindow()
        self._window.restart(sequence)

    def read(
        self, sealed: bytes, now: float
    ) -> tuple[AudioFrames, AudioFrames | None, AudioBody] | None:
        """Frames of a sealed message, copies of those before, and its body; None: it is one too
        many, or came before.

        Raises SealError for what is not the member's, WireError for what does not fit the model.
        """
        opened = self._opener.open(sealed)
        body = AudioBody.from_bytes(opened.body)
        if not self._frames.take(body.toc.frames, now):
            return None
        frames = self._reader.read(opened.sequence, body)
        copies = self._reader.read_copies(frames, body)
        if self._window.accept(opened.sequence, body.toc.frames) is not Verdict.NEW:
            return None
        return frames, copies, body


class Member:
    """What one member says of itself, and its audio.

    Args:
        keys: the member's.
        endpoint: what this side can decode.
        now: seconds, from any monotonic origin.

    Attributes:
        intro: what the member has said of itself; None before.
        model: what its audio is decoded with; None before, or where this side has it not.
        voice: what its audio is read with; None where ``model`` is.
        muted: whether its microphone is off.
        recording: whether it keeps what is said.
        notes: what bounds its notes and mutes.
    """

    def __init__(self, keys: DirectionKeys, endpoint: Endpoint, now: float) -> None:
        self.intro: Intro | None = None
        self.model: LocalModel | None = None
        self.voice: Voice | None = None
        self.muted = False
        self.recording = False
        self.notes = TokenBucket(_NOTES_PER_S, _NOTES_BURST, now)
        self._keys, self._endpoint = keys, endpoint
        self._control: Opener | None = None
        self._frames = TokenBucket(_FRAMES_PER_S, _FRAMES_BURST, now)

    def open_control(self, counter: int, sealed: bytes) -> Opened:
        """Open a control message; SealError for what is not the member's, or came before."""
        if self._control is None:
            opener = Opener(self._keys, control=counter)
            opened = opener.open(sealed)
            self._control = opener  # only once the hint has proved right
            return opened
        return self._control.open(sealed)

    def introduce(self, intro: Intro) -> None:
        """Take in what the member says of itself; what was known of its audio stays."""
        is_first = self.intro is None
        self.intro = intro
        if not is_first:
            return
        sending = intro.models[0]
        self.model = next(
            (m for m in self._endpoint.models if m.model_hash == sending.model_hash), None
        )
        if self.model is None:
            return
        coder = self.model.coder
        has_tables = coder is not None and coder.checksum == sending.tables
        rates = tuple(rate for rate in self.model.rates if rate in sending.rates)
        direction = Direction(self.model, rates, coder if has_tables else None)
        opener = Opener(self._keys, intro.sequence)
        self.voice = Voice(opener, direction, intro.sequence, self._frames)
