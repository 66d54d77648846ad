"""The local service as one line of a test or a script: `async with serving() as service: ...`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from typing import Any

import attrs
from hypercorn.asyncio import serve  # pyright: ignore[reportUnknownVariableType]
from hypercorn.config import Config
from quart import Quart

from talkwire_io.local.blueprint import realtime_blueprint
from talkwire_io.local.calls import Calls
from talkwire_io.local.options import Options
from talkwire_io.local.secrets import Secrets
from talkwire_io.local.voice import NO_VOICE, MissingVoice, RuleBrain, load_voice

# Long enough for a goodbye over the open websockets, short enough for somebody who pressed ^C.
_GOODBYE_S = 0.3


@attrs.frozen(kw_only=True)
class Serving:
    """A local service that runs: where it is, its calls and its keys."""

    base_url: str
    """As OpenAI's clients take it: `http://127.0.0.1:PORT/v1`."""
    calls: Calls
    secrets: Secrets

    @property
    def websocket_url(self) -> str:
        """Where websockets are opened: `ws://127.0.0.1:PORT/v1/realtime`."""
        return f"{self.base_url.replace('http', 'ws', 1)}/realtime"

    def key(self, **session: Any) -> str:
        """An ephemeral key for 10 minutes, bound to these session settings."""
        return self.secrets.mint({"type": "realtime", **session}).value


@contextlib.asynccontextmanager
async def serving(
    calls: Calls | None = None,
    *,
    listener: socket.socket | None = None,
    secrets: Secrets | None = None,
    options: Options | None = None,
) -> AsyncGenerator[Serving]:
    """Serve on this event loop until the block ends; the calls are closed then.

    `calls` None loads the offline voice (some seconds); `Calls(NO_VOICE, RuleBrain())` reads and
    writes only, and is ready at once. `listener` is a listening socket, closed in the end; None
    takes a free port of 127.0.0.1. The service answers from the block's first line on.
    Raises VoiceError when a model file is not what it should be.
    """
    listener = listener or socket.create_server(("127.0.0.1", 0))
    with contextlib.closing(listener):
        calls = await offline_calls() if calls is None else calls
        secrets = Secrets() if secrets is None else secrets
        app = Quart(__name__)
        app.register_blueprint(realtime_blueprint(calls, secrets=secrets, options=options))
        service = Serving(base_url=f"{origin_of(listener)}/v1", calls=calls, secrets=secrets)
        stop = asyncio.Event()
        server = asyncio.create_task(serve(app, config_for(listener), shutdown_trigger=stop.wait))
        try:
            yield service
        finally:
            await calls.close()  # or the server would wait for their websockets, then break them
            stop.set()
            await server


async def offline_calls() -> Calls:
    """The calls of the offline voice, loaded, and of its brain. Raises VoiceError."""
    return Calls(await asyncio.to_thread(load_voice), RuleBrain())


async def serve_until_stopped(
    listener: socket.socket, *, options: Options, voice: bool = True
) -> None:
    """Serve until SIGINT or SIGTERM; one line on stdout says where, once it can be called."""
    calls = await offline_calls() if voice else Calls(NO_VOICE, RuleBrain())
    if voice and isinstance(calls.voice, MissingVoice):
        print(f"No voice, typed text only. {calls.voice.hint}", file=sys.stderr)
    async with serving(calls, listener=listener, options=options) as service:
        stop = stop_signal()
        print(f"talkwire serve: {service.base_url}", flush=True)
        await stop.wait()


def stop_signal() -> asyncio.Event:
    """What SIGINT and SIGTERM set from now on."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


def origin_of(listener: socket.socket) -> str:
    """Where a listening socket is reached from this machine: `http://HOST:PORT`."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"


def config_for(listener: socket.socket) -> Config:
    """Serve on a listening socket, which the server then closes, and end without delay."""
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = _GOODBYE_S
    config.errorlog = None
    return config
