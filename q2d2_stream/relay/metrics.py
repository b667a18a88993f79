"""A relay's numbers for Prometheus. No address, no room and no name is among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from q2d2_stream.errors import DeviceError

if TYPE_CHECKING:
    from prometheus_client import Metric

    from q2d2_stream.relay.server import Relay

__all__ = ["RelayCollector", "serve_metrics"]


class RelayCollector(Collector):
    """Reads a relay when it is asked.

    Args:
        relay: that runs.
    """

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def collect(self) -> Iterator[Metric]:
        """All numbers."""
        relay = self._relay
        yield GaugeMetricFamily("q2d2_relay_rooms", "Rooms with members here", len(relay.rooms))
        yield GaugeMetricFamily("q2d2_relay_people", "Members connected here", relay.people)
        yield GaugeMetricFamily(
            "q2d2_relay_bus_connected", "Whether the bus is there", int(relay.bus.connected)
        )
        port = relay.datagrams
        yield GaugeMetricFamily(
            "q2d2_relay_people_by_udp",
            "Members to whom audio goes by UDP",
            port.people if port is not None else 0,
        )
        counts = relay.counts()
        for name, help, value in (
            ("received", "Sealed messages received of members", counts.received),
            ("forwarded", "Sealed messages written to members", counts.forwarded),
            ("silenced", "Audio of members beyond those who may talk at once", counts.silenced),
            ("malformed", "Messages that no member sends", counts.malformed),
            ("dropped", "Messages that members were too slow for", relay.dropped),
            ("bus_dropped", "Messages not published while the bus was away", relay.bus.dropped),
            ("refused", "Connections and members that were turned away", relay.refused),
        ):
            yield CounterMetricFamily(f"q2d2_relay_{name}", help, value)
        if port is None:
            return
        ways = port.counts()
        for name, help, value in (
            ("strange", "Datagrams of nobody who is here", port.strangers),
            ("forged", "Datagrams in a member's name with a wrong tag", ways["forged"]),
            ("replayed", "Datagrams that came before", ways["replayed"]),
            ("malformed", "Datagrams that no member sends", ways["malformed"]),
            ("copies", "Messages that came by the other way before", ways["copies"]),
            ("dropped", "Datagrams that the system did not take", port.dropped),
            ("failures", "Times that a member's UDP stopped to work", ways["failures"]),
        ):
            yield CounterMetricFamily(f"q2d2_relay_udp_{name}", help, value)


def serve_metrics(relay: Relay, port: int) -> Callable[[], None]:
    """Answer ``GET /metrics`` on this machine; returns what ends that.

    Raises DeviceError where the port is taken.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(RelayCollector(relay))
    try:
        server, thread = start_http_server(port, "127.0.0.1", registry)
    except OSError as error:
        raise DeviceError(f"--metrics {port} cannot be listened on ({error.strerror})") from error

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
