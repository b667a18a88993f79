"""Keys for the others in a room: pick somebody, make them louder, quieter, silent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from q2d2_stream.call import RoomCall

__all__ = ["MemberKeys"]

_STEP = 10 ** (3 / 20)  # 3 dB
_MOST, _LEAST = _STEP**4, _STEP**-8


class MemberKeys:
    """Tab picks one of the others, and the next when it is pressed again; ``+`` and ``-`` set how
    loud they are here, ``x`` silences them and lets them be heard again.

    Args:
        room: where they are.
        notify: shows a sentence.
        pick: shows whom the keys are about, by number; None for nobody.
    """

    def __init__(
        self,
        room: RoomCall,
        notify: Callable[[str], None],
        pick: Callable[[int | None], None],
    ) -> None:
        self._room, self._notify, self._pick = room, notify, pick
        self._picked: int | None = None
        self._before: dict[int, float] = {}  # gains of who is silenced

    def press(self, key: str) -> bool:
        """Take a key; False for one that is none of these."""
        if key == "\t":
            self._pick_next()
        elif key in "+=":
            self._turn(_STEP)
        elif key in "-_":
            self._turn(1 / _STEP)
        elif key == "x":
            self._silence()
        else:
            return False
        return True

    def _pick_next(self) -> None:
        numbers = [*self._room.members]
        at = numbers.index(self._picked) + 1 if self._picked in numbers else 0
        self._picked = numbers[at] if at < len(numbers) else None
        self._pick(self._picked)
        if self._picked is not None:
            self._notify(f"picked: {self._room.members[self._picked]}")

    def _turn(self, factor: float) -> None:
        if (member := self._member()) is not None:
            gain = self._before.pop(member, None) or self._room.gain(member)
            self._set(member, min(_MOST, max(_LEAST, gain * factor)))

    def _silence(self) -> None:
        if (member := self._member()) is None:
            return
        gain = self._room.gain(member)
        if gain:
            self._before[member] = gain
            self._set(member, 0.0)
        else:
            self._set(member, self._before.pop(member, 1.0))

    def _set(self, member: int, gain: float) -> None:
        self._room.set_gain(member, gain)
        name = self._room.members[member]
        self._notify(f"{name}: {gain:.0%}" if gain else f"{name} is silenced here")

    def _member(self) -> int | None:
        """Whom the keys are about; the only other one, where nobody was picked."""
        members = [*self._room.members]
        if self._picked in members:
            return self._picked
        if len(members) == 1:
            return members[0]
        self._notify("pick somebody first: Tab")
        return None
