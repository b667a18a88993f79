"""What leaves this side and when: DTX, the send queue, rate control, and what a message costs.

Everything here takes ``now`` as an argument and never reads a clock.
"""

from __future__ import annotations

from q2d2_stream.sending.dtx import Dtx, DtxOptions, SpurtFrame, VoiceDetector
from q2d2_stream.sending.link import Link, SerialLink, UdpLink, WebSocketLink
from q2d2_stream.sending.link_monitor import LinkMonitor
from q2d2_stream.sending.overhead import WireMeter
from q2d2_stream.sending.rate_control import RateController, SendPlan, SendState
from q2d2_stream.sending.send_queue import SendQueue

__all__ = [
    "Dtx",
    "DtxOptions",
    "Link",
    "LinkMonitor",
    "RateController",
    "SendPlan",
    "SendQueue",
    "SendState",
    "SerialLink",
    "SpurtFrame",
    "UdpLink",
    "VoiceDetector",
    "WebSocketLink",
    "WireMeter",
]
