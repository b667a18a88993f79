"""The joiner's side of a code: from the words to the link, without sockets or clocks."""

from __future__ import annotations

from q2d2_stream.errors import CallError, HandshakeError, InputError, SealError, WireError
from q2d2_stream.protocol import Role
from q2d2_stream.rooms.code import RoomCode
from q2d2_stream.rooms.code_keys import CodeExchange, CodeKeys
from q2d2_stream.rooms.code_messages import CodeAnswer, CodeAsk, CodeConfirm, CodeGrant
from q2d2_stream.rooms.link import RoomLink
from q2d2_stream.rooms.messages import Challenge, Refused, decode, encode

__all__ = ["CodeJoiner"]

_WRONG = (
    "the code is not right, or is shown no longer: have it read to you again, or let a new one be "
    "made"
)


class CodeJoiner:
    """One guess at a code, over one connection to its relay.

    Args:
        code: that was read out.

    Attributes:
        link: to the room, once it is there.
    """

    def __init__(self, code: RoomCode) -> None:
        self.link: RoomLink | None = None
        self._code = code
        self._exchange = CodeExchange(code, Role.CLIENT)
        self._keys: CodeKeys | None = None

    def receive_data(self, data: bytes) -> list[bytes]:
        """A message of the relay; what to send.

        Raises CallError where the code leads nowhere, in a sentence.
        """
        try:
            message = decode(data)
            if isinstance(message, Refused):
                raise CallError(message.text)
            if isinstance(message, Challenge):
                return [encode(CodeAsk(self._code.number, self._exchange.share))]
            if isinstance(message, CodeAnswer) and self._keys is None:
                self._keys = self._exchange.keys(message.data)
                return [encode(CodeConfirm(0, self._keys.confirmation))]
            if isinstance(message, CodeGrant):
                if self._keys is None or not message.data:
                    raise CallError(_WRONG, "secret")
                self.link = RoomLink.parse(self._keys.open_link(message.data))
            return []
        except (SealError, InputError) as error:
            raise CallError(_WRONG, "secret") from error
        except HandshakeError as error:
            raise CallError(str(error)) from error
        except WireError as error:
            raise CallError(f"the relay sends nonsense ({error}): is it one?") from error
