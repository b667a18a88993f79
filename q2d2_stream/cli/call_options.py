"""The fields of :class:`q2d2_stream.settings.CallSettings` as options of a command line."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from typing import Any

from q2d2_stream.settings import CallSettings

__all__ = ["add_settings_arguments", "settings_of", "show_devices"]


def add_settings_arguments(parser: argparse.ArgumentParser, without: Collection[str] = ()) -> None:
    """Declare the options of a call, under the headings of their groups.

    Args:
        parser: of the command.
        without: groups that the command has no use for.
    """
    groups: dict[str, argparse._ArgumentGroup] = {}
    for option in CallSettings.options():
        if option.group in without:
            continue
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
        # What is not said is not there: defaults are those of the settings.
        known: dict[str, Any] = {"help": option.help, "default": argparse.SUPPRESS}
        if option.kind is bool:
            known["action"] = argparse.BooleanOptionalAction
        else:
            known |= {"type": option.kind, "metavar": option.metavar}
            if option.choices:
                known |= {"choices": option.choices, "metavar": None}
        groups[option.group].add_argument(option.flag, **known)
    sound = groups.get("sound", parser)
    sound.add_argument("-l", "--list-devices", action="store_true", help="list sound devices")


def settings_of(args: argparse.Namespace, **more: object) -> CallSettings:
    """What a command line says, and ``more``; raises InputError where it cannot be."""
    names = {option.name for option in CallSettings.options()}
    said = {name: value for name, value in vars(args).items() if name in names}
    return CallSettings.of(said | more)


def show_devices() -> int:
    """Print the sound devices; raises DeviceError without PortAudio."""
    from q2d2_stream.audio import describe_devices, list_devices

    print(describe_devices(list_devices()))
    return 0
