"""Handshakes over transports that lose messages, as a radio does."""

from __future__ import annotations

import random

import pytest

from q2d2_stream.protocol import Call, CallRegistry, Limits, Role, Session, State
from tests.labs.protocol import SECRET, endpoint, frames_of

LOSSY = Limits(handshake_s=60.0, retransmit_s=1.0)


class Radio:
    """Two sessions, and a path that loses a share of the messages."""

    def __init__(self, loss: float, seed: int = 0, secret: str | None = SECRET) -> None:
        self.now = 0.0
        self.sent = 0
        self.client = Session(endpoint(secret), Role.CLIENT, 0.0, call=Call(), limits=LOSSY)
        self.server = Session(
            endpoint(secret), Role.SERVER, 0.0, registry=CallRegistry(), limits=LOSSY
        )
        self._loss, self._dice = loss, random.Random(seed)

    def step(self, seconds: float) -> None:
        self.now += seconds
        for session in (self.client, self.server):
            session.tick(self.now)
        for _ in range(3):
            for here, there in ((self.client, self.server), (self.server, self.client)):
                for data in here.data_to_send():
                    self.sent += 1
                    if self._dice.random() >= self._loss:
                        there.receive_data(data, self.now)

    def run(self, seconds: float = 59.0) -> None:
        while self.now < seconds and not self.is_on:
            self.step(0.25)

    @property
    def is_on(self) -> bool:
        return self.client.state is self.server.state is State.ESTABLISHED


@pytest.mark.parametrize("seed", range(40))  # chance could lose every one of them
def test_a_handshake_survives_the_loss_of_every_third_message(seed: int) -> None:
    radio = Radio(0.33, seed)
    radio.run()
    assert radio.is_on
    assert radio.client.send_audio(frames_of(0), 0.0)
    radio._loss = 0.0
    radio.step(0.1)
    assert radio.server.counters.received_frames == 3


@pytest.mark.parametrize("secret", [None, SECRET])
def test_without_loss_nothing_is_sent_twice(secret: str | None) -> None:
    radio = Radio(0.0, secret=secret)
    radio.run()
    assert radio.is_on
    assert radio.now == 0.25
    assert radio.sent == 4


def test_a_server_that_is_already_talking_answers_again() -> None:
    radio = Radio(0.0)
    (hello,) = radio.client.data_to_send()
    radio.server.receive_data(hello, 0.0)
    (answer,) = radio.server.data_to_send()
    radio.client.receive_data(answer, 0.0)
    (auth,) = radio.client.data_to_send()
    radio.server.receive_data(auth, 0.0)
    radio.server.data_to_send()  # lost
    assert radio.server.send_audio(frames_of(0), 0.0)
    for data in radio.server.data_to_send():
        radio.client.receive_data(data, 0.1)  # too early: the client cannot open it yet
    assert radio.client.state is State.AUTH
    radio.run(10.0)
    assert radio.is_on


def test_repetitions_become_rarer_and_end_with_the_handshakes_time() -> None:
    radio = Radio(1.0)
    radio.run(61.0)
    assert radio.client.state is State.CLOSED
    assert 10 < radio.sent < 25


def test_on_a_reliable_transport_a_repetition_is_refused() -> None:
    server = Session(endpoint(SECRET), Role.SERVER, 0.0, registry=CallRegistry())
    client = Session(endpoint(SECRET), Role.CLIENT, 0.0, call=Call())
    (hello,) = client.data_to_send()
    server.receive_data(hello, 0.0)
    server.receive_data(hello, 0.0)
    assert server.state is State.CLOSED
