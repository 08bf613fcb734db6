"""The tokens of a text that policy changes and cuts on its way out.

What leaves as a token's text is a piece of the text that has left. Where that is what the token
said, the token leaves as it was. Where it is not, because a rule rewrote it, a value came back or
the text was stopped in the middle of it, what left is a token of which nothing is known.
"""

from collections import deque
from collections.abc import Callable, Iterator

from app.domain.events import TextDelta, Token, TokenDelta

Place = Callable[[int], int | None]
"""Where a place of the model's text is in what left; none while it has not left."""


class Tokens:
    """The tokens of one text: they leave once all that they are of has left."""

    __slots__ = ("_at", "_length", "_untold", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, Token]] = deque()
        """With where each of them ends in the model's text."""
        self._length = 0
        self._untold = ""
        """What has left without its token."""
        self._at = 0
        """Where that begins in what left."""

    def read(self, event: TextDelta) -> None:
        """Take more of the model's text."""
        tokens = event.tokens if isinstance(event, TokenDelta) else (Token(event.text),)
        for token in tokens:
            self._length += len(token.text)
            self._waiting.append((self._length, token))

    def leave(self, shown: str, place: Place) -> tuple[Token, ...]:
        """The tokens that leave when this text does."""
        self._untold += shown
        return tuple(self._told(place))

    def rest(self, place: Place) -> tuple[Token, ...]:
        """What is left when nothing more of the text leaves."""
        told = list(self._told(place))
        if self._untold:
            told.append(Token(self._untold))
            self._at += len(self._untold)
            self._untold = ""
        return tuple(told)

    def _told(self, place: Place) -> Iterator[Token]:
        while self._waiting:
            end, token = self._waiting[0]
            upto = place(end)
            if upto is None:
                return
            self._waiting.popleft()
            piece = self._untold[: upto - self._at]
            if piece:
                yield token if piece == token.text else Token(piece)
                self._untold = self._untold[len(piece) :]
                self._at += len(piece)
