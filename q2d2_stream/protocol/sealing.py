"""Sealed messages: what is sent after the handshake, encrypted and authenticated one by one.

    | 1 0 or 1 1, then 14 bits of counter | ciphertext | tag: audio 4, control 8 bytes |
      `- stream: audio, control

Every message opens on its own, so messages may be lost, come twice and out of order, over any
transport. The counter of an audio message is the sequence number of its first frame, that of a
control message counts control messages; the tag covers all 64 bits of it. Keys differ between
directions, streams and connections, so no counter meets the same key twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from q2d2_stream.errors import InputError, SealError
from q2d2_stream.protocol.replay import COUNTER_BITS, ReplayWindow, unwrap
from q2d2_stream.protocol.sframe import CipherSuite, FrameCipher

__all__ = [
    "AUDIO_OVERHEAD_BYTES",
    "CONTROL_OVERHEAD_BYTES",
    "HEADER_BYTES",
    "DirectionKeys",
    "Opened",
    "Opener",
    "Sealer",
    "Sealing",
    "Stream",
    "is_sealed",
]

HEADER_BYTES = 2
_SEQUENCES = 1 << 32
_HALF = 1 << 31


class Stream(IntEnum):
    """What a sealed message carries: the two highest bits of its first byte."""

    AUDIO = 0b10
    CONTROL = 0b11

    @classmethod
    def of(cls, data: bytes) -> Stream:
        """The stream that a sealed message says it is of."""
        return cls(data[0] >> 6)


# Audio is most of the messages: 4 bytes more would cost 0.8 of 8 kbps. What a forger gains after
# 2**32 tries is a message of noise; what ends or mutes a call has the longer tag.
_SUITES = {
    Stream.AUDIO: CipherSuite.AES_128_CTR_HMAC_SHA256_32,
    Stream.CONTROL: CipherSuite.AES_128_CTR_HMAC_SHA256_64,
}
AUDIO_OVERHEAD_BYTES = HEADER_BYTES + _SUITES[Stream.AUDIO].tag_bytes
CONTROL_OVERHEAD_BYTES = HEADER_BYTES + _SUITES[Stream.CONTROL].tag_bytes


def is_sealed(data: bytes) -> bool:
    """Whether a message claims to be sealed; the others are of the handshake."""
    return bool(data) and bool(data[0] & 0x80)


@dataclass(frozen=True, repr=False)
class DirectionKeys:
    """Base keys of one direction of one connection, 16 bytes each; never shown."""

    audio: bytes
    control: bytes

    def ciphers(self) -> dict[Stream, FrameCipher]:
        """A cipher for each stream."""
        keys = {Stream.AUDIO: self.audio, Stream.CONTROL: self.control}
        return {stream: FrameCipher(key, _SUITES[stream]) for stream, key in keys.items()}


@dataclass(frozen=True)
class Opened:
    """A message that was opened.

    Attributes:
        stream: audio or control.
        counter: 64 bits; of audio the lower 32 are the sequence number of the first frame.
        body: the plaintext.
    """

    stream: Stream
    counter: int
    body: bytes

    @property
    def sequence(self) -> int:
        """Sequence number of the first frame of audio, modulo 2**32."""
        return self.counter % _SEQUENCES


class Sealer:
    """Seals what one side sends.

    Args:
        keys: of this direction.
        sequence: number of the first frame that will be sent, about.
    """

    def __init__(self, keys: DirectionKeys, sequence: int = 0) -> None:
        self._ciphers = keys.ciphers()
        # Counters of audio begin a round up, so that a frame numbered before the hello, which
        # may be among the first sent, has one too.
        self._audio_counter = _SEQUENCES + sequence
        self._has_sent_audio = False
        self.next_control = 0

    def seal_audio(self, sequence: int, body: bytes) -> bytes:
        """Seal frames that begin at ``sequence``.

        Raises InputError unless the sequence numbers ascend: one that comes again would reuse a
        nonce. To send a message twice, send the same sealed bytes.
        """
        ahead = (sequence - self._audio_counter + _HALF) % _SEQUENCES - _HALF
        if self._has_sent_audio and ahead <= 0:
            raise InputError(
                f"audio from sequence number {sequence} came to be sealed after "
                f"{self._audio_counter % _SEQUENCES}, expected ascending numbers"
            )
        self._audio_counter += ahead
        self._has_sent_audio = True
        return self._seal(Stream.AUDIO, self._audio_counter, body)

    def seal_control(self, body: bytes) -> bytes:
        """Seal a control message; its counter is :attr:`next_control`, which then moves on."""
        counter = self.next_control
        self.next_control += 1
        return self._seal(Stream.CONTROL, counter, body)

    def _seal(self, stream: Stream, counter: int, body: bytes) -> bytes:
        header = (stream << COUNTER_BITS | counter % (1 << COUNTER_BITS)).to_bytes(2, "big")
        return header + self._ciphers[stream].seal(counter, header, body)


class Opener:
    """Opens what the peer sends, each message once.

    Args:
        keys: of this direction.
        sequence: number of the first frame that will come, about.
        control: counter of the first control message that will come, about.
    """

    def __init__(self, keys: DirectionKeys, sequence: int = 0, control: int = 0) -> None:
        self._ciphers = keys.ciphers()
        self._windows = {
            Stream.AUDIO: ReplayWindow(_SEQUENCES + sequence),
            Stream.CONTROL: ReplayWindow(control),
        }

    def open(self, data: bytes) -> Opened:
        """Open a message from the peer, once.

        Raises SealError when it is not of this connection and direction, was changed, or was
        opened before; nothing has then changed here.
        """
        if len(data) < HEADER_BYTES or not is_sealed(data):
            raise SealError(f"a message of {len(data)} bytes is not sealed")
        stream = Stream.of(data)
        window = self._windows[stream]
        low = int.from_bytes(data[:HEADER_BYTES], "big") % (1 << COUNTER_BITS)
        counter = unwrap(low, window.highest + 1)
        if counter < 0 or not window.is_new(counter):
            raise SealError("a message came again, or too late to tell", is_replay=True)
        body = self._ciphers[stream].open(counter, data[:HEADER_BYTES], data[HEADER_BYTES:])
        window.add(counter)
        return Opened(stream, counter, body)


class Sealing:
    """Seals what one side of a connection sends and opens what it receives.

    Args:
        send: keys of what this side sends.
        receive: keys of what the peer sends.
        send_sequence, receive_sequence: sequence numbers of both hellos.
    """

    def __init__(
        self,
        send: DirectionKeys,
        receive: DirectionKeys,
        *,
        send_sequence: int = 0,
        receive_sequence: int = 0,
    ) -> None:
        sealer, opener = Sealer(send, send_sequence), Opener(receive, receive_sequence)
        self.seal_audio, self.seal_control = sealer.seal_audio, sealer.seal_control
        self.open = opener.open
