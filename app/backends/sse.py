"""Server-sent events: bytes in, however they are cut, the data of each event out.

Source: WHATWG HTML, section 9.2.6, but for fields that it does not name: those are refused, because
a provider that writes an error as bare JSON into its stream would otherwise go unheard.
"""

from collections.abc import Iterator

from app.domain.errors import BackendError, BackendProblem

MAX_EVENT_BYTES = 4 * 2**20
"""More than any event of a model's answer needs: the largest is a tool call sent in one piece."""

_BOM = b"\xef\xbb\xbf"
_IGNORED_FIELDS = frozenset({b"event", b"id", b"retry"})


class SseParser:
    """Cuts one event stream into the data of its events."""

    __slots__ = (
        "_cut_line",
        "_cut_line_bytes",
        "_data",
        "_data_bytes",
        "_ends_in_cr",
        "_is_first_line",
        "_max_event_bytes",
    )

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._cut_line: list[bytes] = []
        self._cut_line_bytes = 0
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._ends_in_cr = False
        self._is_first_line = True

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take the stream's next bytes and give the data of each event that they complete.

        What comes out has to be read to its end before the next call.

        Raises:
            BackendError: A line or an event is too long, or a line holds no known field.
        """
        if self._ends_in_cr or b"\r" in chunk:
            chunk = self._with_unix_line_ends(chunk)
        lines = chunk.split(b"\n")
        cut_line = lines.pop()
        if lines:
            yield from self._read_lines(lines)
        self._keep_cut_line(cut_line)

    def end(self) -> Iterator[bytes]:
        """Give the last event, where the provider did not end it with an empty line."""
        return self.feed(b"\n\n")

    def _read_lines(self, lines: list[bytes]) -> Iterator[bytes]:
        if self._cut_line:
            self._cut_line.append(lines[0])
            lines[0] = b"".join(self._cut_line)
            self._cut_line.clear()
            self._cut_line_bytes = 0
        if self._is_first_line:
            self._is_first_line = False
            first_line = lines[0].removeprefix(_BOM)
            self._data_bytes = len(lines[0]) - len(first_line)
            lines[0] = first_line
        data = self._data
        for line in lines:
            if not line:
                if data:
                    yield data[0] if len(data) == 1 else b"\n".join(data)
                    data.clear()
                self._data_bytes = 0
            else:
                self._data_bytes += len(line)
                if self._data_bytes > self._max_event_bytes:
                    raise self._too_long()
                if line.startswith(b"data: "):
                    data.append(line[6:])
                else:
                    self._read_rare_line(line)

    def _read_rare_line(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif not name:
            # A comment, sent to keep the connection alive: any number of them may come.
            self._data_bytes -= len(line)
        elif name not in _IGNORED_FIELDS:
            raise BackendError(
                BackendProblem.BROKEN,
                "the provider's event stream holds a line that is no field of server-sent events",
            )

    def _keep_cut_line(self, cut_line: bytes) -> None:
        if cut_line:
            self._cut_line.append(cut_line)
            self._cut_line_bytes += len(cut_line)
            if self._data_bytes + self._cut_line_bytes > self._max_event_bytes:
                raise self._too_long()

    def _with_unix_line_ends(self, chunk: bytes) -> bytes:
        if self._ends_in_cr and chunk:
            self._ends_in_cr = False
            chunk = chunk.removeprefix(b"\n")
        if chunk:
            self._ends_in_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _too_long(self) -> BackendError:
        return BackendError(
            BackendProblem.BROKEN,
            f"an event of the provider's stream is longer than {self._max_event_bytes} bytes",
        )
