"""Who gets a call back: after a break, after a crash, and who does not."""

from __future__ import annotations

import pytest

from q2d2_stream.protocol import (
    SILENT_S,
    Call,
    CallRegistry,
    Closed,
    Established,
    Mute,
    Reason,
    Role,
    Session,
    State,
)
from q2d2_stream.protocol.kinds import Capability
from tests.labs.protocol import SECRET, Peers, endpoint, frames_of


def on(secret: str | None, **arguments: object) -> Peers:
    """A call that is on, in which both sides have heard each other."""
    peers = Peers(endpoint(secret), endpoint(secret), **arguments)  # type: ignore[arg-type]
    peers.settle()
    assert peers.client.state is peers.server.state is State.ESTABLISHED
    assert peers.client.send(Mute(False))
    peers.settle()
    return peers


def reason(peers: Peers) -> Reason:
    (closed,) = (event for event in peers.client_events if isinstance(event, Closed))
    return closed.reason


@pytest.mark.parametrize("secret", [None, SECRET])
def test_both_sides_know_each_other_again(secret: str | None) -> None:
    first = on(secret)
    for session in (first.client, first.server):
        session.connection_lost(1.0)
    again = on(secret, call=first.call, registry=first.registry, now=5.0)
    (event,) = (event for event in again.server_events if isinstance(event, Established))
    assert event.peer.capabilities & Capability.RESUMES
    assert event.resumed


def test_without_a_secret_knowing_the_call_id_is_not_enough() -> None:
    first = on(None)
    first.server.connection_lost(1.0)
    # The call id was in the clear. A stranger dials with it, and claims the call as a new one ...
    stranger = Peers(call=Call(first.call.call_id), registry=first.registry, now=2.0)
    stranger.settle()
    assert reason(stranger) is Reason.BUSY
    # ... or as the one that goes on, with a secret of their own.
    forged = Call(first.call.call_id, resumption=bytes(32))
    stranger = Peers(call=forged, registry=first.registry, now=2.0)
    stranger.settle()
    assert reason(stranger) is Reason.PROTOCOL
    # Who it belongs to comes back.
    on(None, call=first.call, registry=first.registry, now=3.0)


def test_a_caller_whose_program_crashed_returns_at_once_with_the_secret() -> None:
    first = on(SECRET)
    first.server.connection_lost(1.0)
    again = on(SECRET, registry=first.registry, now=1.1)
    assert again.call.call_id != first.call.call_id
    assert len(again.registry) == 1
    (event,) = (event for event in again.server_events if isinstance(event, Established))
    assert not event.resumed


def test_a_caller_who_vanished_returns_after_three_seconds_of_silence() -> None:
    first = on(SECRET)
    soon = Peers(endpoint(SECRET), endpoint(SECRET), registry=first.registry, now=SILENT_S - 0.1)
    soon.settle()
    assert reason(soon) is Reason.BUSY
    later = on(SECRET, registry=first.registry, now=SILENT_S + 0.1)
    assert later.server.state is State.ESTABLISHED
    (closed,) = first.server.tick(SILENT_S + 0.2)
    assert isinstance(closed, Closed)
    assert closed.reason is Reason.TAKEN_OVER
    assert len(first.registry) == 1  # and the old session's end does not end the new call


def test_a_call_in_which_somebody_is_heard_is_not_taken_over() -> None:
    first = on(SECRET)
    for tenth in range(1, 100):
        first.now = tenth / 10
        assert first.client.send_audio(frames_of(3 * tenth), 0.0)
        first.settle()
    other = Peers(endpoint(SECRET), endpoint(SECRET), registry=first.registry, now=10.0)
    other.settle()
    assert reason(other) is Reason.BUSY
    assert first.server.state is State.ESTABLISHED


def test_without_a_secret_a_held_call_is_its_peers_for_ten_seconds() -> None:
    first = on(None)
    first.server.connection_lost(1.0)
    other = Peers(registry=first.registry, now=9.0)
    other.settle()
    assert reason(other) is Reason.BUSY
    on(None, registry=first.registry, now=12.0)  # who crashed comes back like a stranger


def test_without_a_secret_a_silent_call_that_is_connected_is_nobody_elses() -> None:
    first = on(None)
    other = Peers(registry=first.registry, now=14.0)
    other.settle()
    assert reason(other) is Reason.BUSY


def test_an_auth_that_got_lost_locks_nobody_out() -> None:
    registry, call = CallRegistry(), Call()
    server = Session(endpoint(None), Role.SERVER, 0.0, registry=registry)
    client = Session(endpoint(None), Role.CLIENT, 0.0, call=call)
    for data in client.data_to_send():
        server.receive_data(data, 0.0)
    for data in server.data_to_send():
        client.receive_data(data, 0.0)
    for data in client.data_to_send():
        server.receive_data(data, 0.0)
    assert server.state is State.ESTABLISHED
    # the connection breaks before the client has the server's auth
    server.connection_lost(0.1)
    client.connection_lost(0.1)
    assert not call.resumption
    on(None, call=call, registry=registry, now=1.0)


def test_a_restarted_server_takes_the_call_as_a_new_one() -> None:
    first = on(SECRET)
    first.client.connection_lost(1.0)
    again = on(SECRET, call=first.call, registry=CallRegistry(), now=2.0)
    for session in (again.client, again.server):
        session.connection_lost(3.0)
    on(SECRET, call=again.call, registry=again.registry, now=4.0)
