"""A server in a thread of its own, and what that thread has cost."""

import os
import socket
import threading
import time
from collections.abc import Callable

Serve = Callable[[socket.socket], None]
"""Serves on a listening socket, for ever."""


def pin(thread: int, core: int) -> None:
    """Keep a thread on one of the cores that there are, the first (0) or the last (-1), where the
    system can: one that wanders finds its caches cold."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(thread, {sorted(os.sched_getaffinity(0))[core]})


class Host:
    """Serving from here to the end of the process, in a daemon thread."""

    def __init__(self, serve: Serve) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        thread = threading.Thread(target=serve, args=[listener], daemon=True)
        thread.start()
        assert thread.ident is not None and thread.native_id is not None
        pin(thread.native_id, -1)
        self._clock = time.pthread_getcpuclockid(thread.ident)

    def cpu_ns(self) -> int:
        """Nanoseconds of processor time that the thread has had; nobody else's count."""
        return time.clock_gettime_ns(self._clock)
