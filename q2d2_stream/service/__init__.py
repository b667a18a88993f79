"""A call as a system service: its configuration, systemd's watchdog, a button to talk."""

from __future__ import annotations

from q2d2_stream.service.config import ServiceConfig, load_config
from q2d2_stream.service.display import ServiceDisplay
from q2d2_stream.service.notifier import Notifier
from q2d2_stream.service.push_to_talk import push_to_talk
from q2d2_stream.service.watchdog import Watchdog

__all__ = [
    "Notifier",
    "ServiceConfig",
    "ServiceDisplay",
    "Watchdog",
    "load_config",
    "push_to_talk",
]
