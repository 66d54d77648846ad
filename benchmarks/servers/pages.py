"""The other end: a process with raw websockets, so that its cost is not the server's.

`python -m benchmarks.servers.pages` takes one JSON command a line and answers each with a line.
"""

import base64
import json
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from .hosting import pin

_SETTLE_S = 0.02  # what is not answered is to be done with before the clock is read


class Pages:
    """That process, seen from the benchmark. Each call returns when it is done."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        pin(self._process.pid, 0)

    def open(
        self,
        port: int,
        messages: Sequence[str],
        *,
        count: int = 1,
        greeting: Sequence[str] = (),
        greeted: int = 0,
        answers: int,
        in_flight: int = 1_000_000,
        gap_s: float = 0.0,
    ) -> None:
        """Open `count` websockets and greet; leave those of the last time. `run` sends `messages`.

        Each websocket has had `greeted` messages then. In `run` it is sent `in_flight` messages at
        a time, next to the other websockets and a gap (s) before the next ones; when there is no
        gap, its echo is waited for instead. In the end each has had `answers` messages.
        """
        self._do(
            port=port,
            messages=messages,
            count=count,
            greeting=greeting,
            greeted=greeted,
            answers=answers,
            in_flight=in_flight,
            gap_s=gap_s,
        )

    def run(self) -> None:
        """Send everything and hear the answers."""
        self._do()

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate()

    def _do(self, **command: Any) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        self._process.stdin.flush()
        if not self._process.stdout.readline():
            raise RuntimeError("the process of the pages has died")


class _Page:
    """A websocket by hand. Its mask is all zeros, so that a frame's bytes are the message's."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.settimeout(20)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""
        key = base64.b64encode(bytes(16)).decode()
        self._socket.sendall(
            f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self._unread:
            self._more()
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        assert b" 101 " in head, head

    def send(self, frames: bytes) -> None:
        self._socket.sendall(frames)

    def hear(self, messages: int) -> None:
        """Read so many messages."""
        for _ in range(messages):
            size = self._size()
            while len(self._unread) < size:
                self._more()
            self._unread = self._unread[size:]

    def leave(self) -> None:
        self._socket.sendall(b"\x88\x80" + bytes(4))
        while self._socket.recv(65_536):
            pass
        self._socket.close()

    def _size(self) -> int:
        """Of the next message, header and all."""
        while len(self._unread) < 2 or len(self._unread) < 2 + self._extra():
            self._more()
        extra = self._extra()
        written = self._unread[2 : 2 + extra] if extra else self._unread[1:2]
        return 2 + extra + int.from_bytes(written, "big")

    def _extra(self) -> int:
        return {126: 2, 127: 8}.get(self._unread[1], 0)

    def _more(self) -> None:
        data = self._socket.recv(65_536)
        assert data, "the server has hung up"
        self._unread += data


def _masked(message: str) -> bytes:
    payload = message.encode()
    size = len(payload)
    if size < 126:
        head = bytes([0x81, 0x80 | size])
    elif size < 65_536:
        head = bytes([0x81, 0xFE]) + size.to_bytes(2, "big")
    else:
        head = bytes([0x81, 0xFF]) + size.to_bytes(8, "big")
    return head + bytes(4) + payload


def _open(command: dict[str, Any]) -> list[_Page]:
    pages = [_Page(command["port"]) for _ in range(command["count"])]
    for page in pages:
        page.send(b"".join(map(_masked, command["greeting"])))
        page.hear(command["greeted"])
    time.sleep(_SETTLE_S)
    return pages


def _run(pages: Sequence[_Page], messages: Sequence[bytes], command: dict[str, Any]) -> None:
    at_a_time, gap_s, heard = command["in_flight"], command["gap_s"], 0
    for start in range(0, len(messages), at_a_time):
        some = messages[start : start + at_a_time]
        for page in pages:
            page.send(b"".join(some))
        if gap_s:
            time.sleep(gap_s)
            continue
        heard += len(some)
        for page in pages:
            page.hear(len(some))
    for page in pages:
        page.hear(command["answers"] - heard)


def _main() -> None:
    pages: list[_Page] = []
    command: dict[str, Any] = {}
    messages: list[bytes] = []
    for line in sys.stdin:
        if asked := json.loads(line):
            for page in pages:
                page.leave()
            command, messages = asked, list(map(_masked, asked["messages"]))
            pages = _open(command)
        else:
            _run(pages, messages, command)
        print(flush=True)


if __name__ == "__main__":
    _main()
