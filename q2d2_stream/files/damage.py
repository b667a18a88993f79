"""What was wrong with a file that was read all the same."""

from __future__ import annotations

__all__ = ["DamageLog"]

_MOST = 20


class DamageLog:
    """Sentences for people, the first twenty only: a file may be damaged all over."""

    def __init__(self) -> None:
        self._sentences: list[str] = []
        self._count = 0

    def add(self, sentence: str) -> None:
        """Note one more."""
        self._count += 1
        if len(self._sentences) < _MOST:
            self._sentences.append(sentence)

    def __len__(self) -> int:
        return self._count

    def sentences(self) -> list[str]:
        """All that are kept, and how many more there were."""
        more = self._count - len(self._sentences)
        return (
            [*self._sentences, f"and {more} more places like these"] if more else [*self._sentences]
        )
