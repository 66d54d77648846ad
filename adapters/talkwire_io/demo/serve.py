"""Serve the demo: the local service in the same process by default, so that it needs no key."""

import asyncio
import signal
import socket
import sys
import time
from pathlib import Path

from hypercorn.asyncio import serve  # pyright: ignore[reportUnknownVariableType]
from hypercorn.config import Config

from ..local.blueprint import realtime_blueprint
from ..local.calls import Calls
from ..local.voice import DEMO_BRAIN_NOTICE, MissingVoice, RuleBrain, load_voice
from ..openai import OpenAI
from .app import Demo, create_app

# Long enough for a goodbye over the open websockets, short enough for somebody who pressed ^C.
_GOODBYE_SECONDS = 0.3
# A batch of a page's events; the relay then looks at each event's size.
_MAX_MESSAGE_BYTES = 1024 * 1024
_CALLS_PATH = "/v1/realtime/calls"


async def serve_demo(
    listener: socket.socket,
    *,
    openai: OpenAI | None,
    model: str,
    started: float,
    record: Path | None = None,
) -> None:
    """Serve on a listening socket until SIGINT or SIGTERM. `openai` None: the local service.

    `started` is when the command began (seconds, `time.monotonic`), to say how long it took;
    `record` a folder that is there, for recordings of the calls.
    Raises VoiceError when a model file is not what it should be.
    """
    host, port = listener.getsockname()[:2]
    if openai is None:
        print("Loading the offline voice …", flush=True)
        demo, calls = await _local_demo(f"http://{_reachable(host)}:{port}/v1", model, record)
    else:
        demo = Demo(service=openai, model=model, name="openai", record=record)
        calls = None
    app = create_app(demo)
    app.after_serving(demo.service.aclose)
    if calls is not None:
        app.register_blueprint(realtime_blueprint(calls))
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]  # the server closes it
    config.graceful_timeout = _GOODBYE_SECONDS
    config.websocket_max_message_size = _MAX_MESSAGE_BYTES
    config.errorlog = None

    @app.before_serving
    async def announce() -> None:
        took = time.monotonic() - started
        print(f"talkwire demo: http://{_shown(host)}:{port}  (ready in {took:.1f} s, ^C ends it)")
        sys.stdout.flush()

    stop = _stop_signal()

    async def stopped() -> None:
        await stop.wait()
        # Now, since the server waits for open websockets and then breaks them without a word.
        await demo.say_goodbye()
        if calls is not None:
            await calls.close()

    await serve(app, config, shutdown_trigger=stopped)


async def _local_demo(base_url: str, model: str, record: Path | None) -> tuple[Demo, Calls]:
    voice = await asyncio.to_thread(load_voice)
    calls = Calls(voice, RuleBrain())
    missing = isinstance(voice, MissingVoice)
    demo = Demo(
        service=OpenAI("local", base_url=base_url),
        model=model,
        name="local",
        record=record,
        calls_url=_CALLS_PATH,
        brain_notice=DEMO_BRAIN_NOTICE,
        voice_ok=not missing,
        voice_message=voice.hint if isinstance(voice, MissingVoice) else None,
    )
    if isinstance(voice, MissingVoice):
        print(f"No voice, typed text only. {voice.hint}")
    return demo, calls


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


def _reachable(host: str) -> str:
    """An address this process can reach itself at."""
    return "127.0.0.1" if host == "0.0.0.0" else f"[{host}]" if ":" in host else host


def _shown(host: str) -> str:
    return "localhost" if host in ("0.0.0.0", "127.0.0.1") else _reachable(host)
