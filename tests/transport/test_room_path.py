"""A member's datagrams, both ends on one clock: when they carry the audio, and what it costs."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.rooms.datagrams import DatagramKind
from q2d2_stream.transport.udp_path import PathState
from tests.labs.room_path import TOKEN, Network, voice


class Talk:
    """Both ends talk, by whichever way is right; what each hears, by either."""

    def __init__(self, network: Network) -> None:
        self.net = network
        self.by_websocket: list[list[bytes]] = [[], []]
        self._numbers = itertools.count()

    def __call__(self) -> None:
        number = next(self._numbers)
        for index, path in enumerate((self.net.member, self.net.relay)):
            message = voice(number)
            if path.carries_audio:
                path.send_message(message, self.net.now)
            if path.needs_websocket:
                self.by_websocket[index].append(message)

    def heard(self) -> list[set[bytes]]:
        """By the relay, by the member."""
        net = self.net
        again = (net.member_side.again, net.relay_side.again)
        sides = (net.relay_side, net.member_side)
        return [
            {*side.heard, *ws, *late}
            for side, ws, late in zip(sides, self.by_websocket, again, strict=True)
        ]


def up(network: Network) -> Network:
    network.run(0.5)
    assert network.member.state is network.relay.state is PathState.UP
    return network


def test_one_exchange_switches_both_directions() -> None:
    network = Network(rtt_s=0.1)
    network.run(0.25)
    assert network.member.state is network.relay.state is PathState.UP
    network.run(60)
    assert network.member.state is network.relay.state is PathState.UP
    assert network.member.failures == network.relay.failures == 0


def test_what_keeps_a_silent_way_open_is_little() -> None:
    network = up(Network())
    for side in (network.member_side, network.relay_side):
        side.sent.clear()
    network.run(60)
    kbps = [
        8 * sum(28 + size for size in side.sent) / 60 / 1000
        for side in (network.member_side, network.relay_side)
    ]
    assert kbps[0] < 0.96  # docs/reference/rooms.md tells these
    assert kbps[1] < 0.41


def test_where_nothing_comes_back_probes_become_seldom() -> None:
    network = Network()
    network.loss = [1.0, 0.0]
    network.run(60)
    assert len(network.to_relay) < 20
    assert network.member.state is PathState.PROBING
    assert network.to_member == []
    network.loss = [0.0, 0.0]
    network.run(6)
    assert network.member.state is network.relay.state is PathState.UP


@pytest.mark.parametrize("loss", [[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
def test_a_way_that_dies_is_noticed_soon_and_nothing_is_missed(loss: list[float]) -> None:
    network = up(Network())
    talk = Talk(network)
    network.run(2, talk)
    network.loss = list(loss)
    network.run(0.85, talk)
    dead = [network.member, network.relay]
    assert all(path.needs_websocket for path, is_lost in zip(dead, loss, strict=True) if is_lost)
    network.run(2, talk)
    assert network.member.state is PathState.PROBING  # a question needs both directions
    network.loss = [0.0, 0.0]
    network.run(7, talk)
    assert network.member.state is network.relay.state is PathState.UP
    network.run(1)
    said = {voice(number) for number in range(len(talk.heard()[0] | talk.heard()[1]))}
    for heard in talk.heard():
        assert heard == said


def test_ten_percent_of_loss_is_not_taken_for_death() -> None:
    network = up(Network(rtt_s=0.08))
    network.loss = [0.1, 0.1]
    talk = Talk(network)
    network.run(60, talk)
    assert network.member.failures + network.relay.failures <= 1
    for path in (network.member, network.relay):
        share = path.loss()
        assert share is not None
        assert 0.05 < share < 0.15
        assert path.loss() is None  # of what was told already


def test_a_sender_in_doubt_hears_at_once_what_has_come() -> None:
    """The echo of the last words was lost, nothing more is said: the next question brings it."""
    network = up(Network())
    talk = Talk(network)
    network.run(1, talk)
    network.loss = [0.0, 1.0]
    network.run(0.3, talk)
    network.loss = [0.0, 0.0]
    network.member.doubt(network.now)
    network.run(0.2)
    assert network.member.unheard_s(network.now) == 0.0
    assert network.member.state is PathState.UP


def test_a_link_that_is_too_thin_for_what_is_forwarded_has_the_websocket() -> None:
    """It tells TCP so, which holds back; datagrams would stand in an ever longer queue."""
    network = up(Network())
    network.kbps_to_member = 9.0  # a message every 40 ms takes 11
    talk = Talk(network)
    network.run(10, talk)
    assert network.relay.needs_websocket
    assert network.member.state is PathState.UP  # the other direction has room
    sent = len(network.relay_side.heard)
    network.run(5, talk)
    assert len(network.relay_side.heard) >= sent + 120
    network.kbps_to_member = None
    network.run(20, talk)
    assert not network.relay.needs_websocket


def test_another_address_is_followed_once_it_has_answered() -> None:
    network = up(Network())
    talk = Talk(network)
    network.run(1, talk)
    network.address = "mobile"
    network.to_member.clear()
    network.run(3, talk)
    assert network.member.state is network.relay.state is PathState.UP
    network.to_member.clear()
    network.run(1, talk)
    assert {address for address, _ in network.to_member} == {"mobile"}
    network.run(0.5)
    said = {voice(number) for number in range(125)}
    by_relay, by_member = talk.heard()
    assert by_member == said  # what went to the old address came by websocket
    # From an unknown address nothing is taken before the next question, a second later at most.
    assert len(said - by_relay) <= 25


def test_an_address_that_does_not_answer_gets_no_audio() -> None:
    """A member itself claims the address of a third: it is asked once, with less than came."""
    network = up(Network())
    asked = network.member._endpoint.named(network.member._seal_path(7, None))
    network.to_member.clear()
    network.inject(asked, "victim")
    talk = Talk(network)
    network.run(10, talk)
    to_victim = [data for address, data in network.to_member if address == "victim"]
    assert len(to_victim) == 1
    assert len(to_victim[0]) <= len(asked)
    assert network.relay.state is PathState.UP  # and its own address is proved again
    assert {address for address, _ in network.to_member[-20:]} == {"home"}


def test_what_was_recorded_is_not_answered() -> None:
    network = up(Network())
    talk = Talk(network)
    network.run(2, talk)
    recorded = [data for _, data in network.to_relay]
    network.run(0.5)
    heard, sent = len(network.relay_side.heard), len(network.to_member)
    replayed = network.relay.replayed
    for data in recorded:
        network.inject(data, "elsewhere")
        network.inject(data, "home")
    assert len(network.relay_side.heard) == heard
    assert len(network.to_member) == sent
    assert network.relay.replayed >= replayed + len(recorded)
    assert network.hub.strangers > 0


@given(st.lists(st.binary(max_size=60), max_size=30), st.booleans())
def test_hostile_bytes_do_nothing(datagrams: list[bytes], knows_token: bool) -> None:
    network = up(Network())
    sent, heard = len(network.to_member), len(network.relay_side.heard)
    for data in datagrams:
        for address in ("home", "elsewhere"):
            network.inject(b"\0" + TOKEN + data if knows_token else data, address)
        network._far.take(data, network._own)
    assert (len(network.to_member), len(network.relay_side.heard)) == (sent, heard)
    assert network.relay.malformed == 0
    talk = Talk(network)
    network.run(0.5, talk)
    assert len(network.relay_side.heard) >= heard + 10


@given(st.binary(max_size=12))
def test_genuine_nonsense_is_malformed(body: bytes) -> None:
    network = up(Network())
    for kind in DatagramKind:
        data = network.member._sealer.seal(kind, body)
        is_path = kind is DatagramKind.PATH
        network.inject(network.member._endpoint.named(data) if is_path else data, "home")
    assert network.relay.malformed == (len(body) < 12) + (len(body) < 4)


def test_who_is_over_the_limit_is_neither_heard_nor_answered() -> None:
    network = up(Network())
    network.relay_side.allows = False
    sent, heard = len(network.to_member), len(network.relay_side.heard)
    for number in range(50):
        network.member.send_message(voice(number), network.now)
    network.run(0.3)
    assert (len(network.to_member), len(network.relay_side.heard)) == (sent, heard)


def test_a_copy_by_the_other_way_is_told_apart() -> None:
    network = Network()
    assert not any(network.relay.is_copy(voice(number)) for number in range(100))
    assert all(network.relay.is_copy(voice(number)) for number in range(100))
    assert network.relay.copies == 100
