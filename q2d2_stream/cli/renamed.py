"""Old names of options: they work for one more release, with a warning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from q2d2_stream.cli.warn import warn

__all__ = ["renamed"]


def renamed(argv: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """A command line with the options of today.

    Args:
        argv: as it was typed. What stands behind ``--`` is no option.
        names: old options, and what to type instead: ``{"--search": "--effort max"}``.
    """
    options = list(argv)
    end = options.index("--") if "--" in options else len(options)
    today: list[str] = []
    for word in options[:end]:
        old, equals, value = word.partition("=")
        if old not in names:
            today.append(word)
            continue
        warn(f"{old} is {names[old]} now; the old name works for one more release")
        first, *rest = names[old].split()
        today += [first + equals + value, *rest]
    return today + options[end:]
