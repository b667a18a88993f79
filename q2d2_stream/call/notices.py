"""What a peer may put before a user's eyes: no more than a person can read."""

from __future__ import annotations

from collections.abc import Callable

from q2d2_stream.protocol.limits import TokenBucket

__all__ = ["PeerNotices"]

# A person reads some 20 characters a second. The bursts let a note of full length through at once,
# and a switch that somebody plays with.
_CHARACTERS_PER_S = 20.0
_CHARACTERS_BURST = 2000.0
_NOTICES_PER_S = 1.0
_NOTICES_BURST = 5.0
_MUTED, _UNMUTED = "the other side has muted", "the other side has unmuted"


class PeerNotices:
    """Shows a peer's notes and mutes, as long as they come at a pace that can be read.

    What is too much is dropped and counted, but the user is told the last state of the mute.

    Args:
        notify: shows a sentence.
        now: seconds, from any monotonic origin.
        on_note: takes a note's text; None to show it as a sentence.

    Attributes:
        dropped: notes and notices that were not shown.
        muted: whether the peer's microphone is off.
    """

    def __init__(
        self,
        notify: Callable[[str], None],
        now: float,
        on_note: Callable[[str], None] | None = None,
    ) -> None:
        self.dropped = 0
        self.muted = False
        self._shown_muted = False
        self._notify = notify
        self._on_note = on_note or (lambda text: notify(f"note: {text}"))
        self._notices = TokenBucket(_NOTICES_PER_S, _NOTICES_BURST, now)
        self._characters = TokenBucket(_CHARACTERS_PER_S, _CHARACTERS_BURST, now)

    def note(self, text: str, now: float) -> None:
        """The peer sent a note."""
        if self._may_show(len(text), now):
            self._on_note(text)

    def say(self, sentence: str, now: float) -> None:
        """A sentence about what the peer has done."""
        if self._may_show(len(sentence), now):
            self._notify(sentence)

    def mute(self, muted: bool, now: float) -> None:
        """The peer has muted or unmuted."""
        self.muted = muted
        if muted != self._shown_muted and self._may_show(len(_UNMUTED), now):
            self._show_mute()

    def tick(self, now: float) -> None:
        """Time has passed: a mute that could not be shown may be shown now."""
        if self.muted != self._shown_muted and self._notices.take(1, now):
            self._show_mute()

    def _show_mute(self) -> None:
        self._shown_muted = self.muted
        self._notify(_MUTED if self.muted else _UNMUTED)

    def _may_show(self, characters: int, now: float) -> bool:
        if self._notices.take(1, now) and self._characters.take(characters, now):
            return True
        self.dropped += 1
        return False
