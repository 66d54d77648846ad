"""Serve the demo: the local service in the same process by default, so that it needs no key."""

import socket
import sys
import time
from pathlib import Path

from hypercorn.asyncio import serve  # pyright: ignore[reportUnknownVariableType]

from ..local.blueprint import realtime_blueprint
from ..local.calls import Calls
from ..local.serving import config_for, offline_calls, origin_of, stop_signal
from ..local.voice import DEMO_BRAIN_NOTICE, MissingVoice
from ..openai import OpenAI
from .app import Demo, create_app

# A batch of a page's events; the relay then looks at each event's size.
_MAX_MESSAGE_BYTES = 1024 * 1024


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
    origin = origin_of(listener)
    if openai is None:
        print("Loading the offline voice …", flush=True)
        demo, calls = await _local_demo(f"{origin}/v1", model, record)
    else:
        demo = Demo(service=openai, model=model, name="openai", record=record)
        calls = None
    app = create_app(demo)
    app.after_serving(demo.service.aclose)
    if calls is not None:
        app.register_blueprint(realtime_blueprint(calls))
    config = config_for(listener)
    config.websocket_max_message_size = _MAX_MESSAGE_BYTES

    @app.before_serving
    async def announce() -> None:
        took = time.monotonic() - started
        shown = origin.replace("127.0.0.1", "localhost")
        print(f"talkwire demo: {shown}  (ready in {took:.1f} s, ^C ends it)")
        sys.stdout.flush()

    stop = stop_signal()

    async def stopped() -> None:
        await stop.wait()
        # Now, since the server waits for open websockets and then breaks them without a word.
        await demo.say_goodbye()
        if calls is not None:
            await calls.close()

    await serve(app, config, shutdown_trigger=stopped)


async def _local_demo(base_url: str, model: str, record: Path | None) -> tuple[Demo, Calls]:
    calls = await offline_calls()
    voice = calls.voice
    missing = isinstance(voice, MissingVoice)
    demo = Demo(
        service=OpenAI("local", base_url=base_url),
        model=model,
        name="local",
        record=record,
        brain_notice=DEMO_BRAIN_NOTICE,
        voice_ok=not missing,
        voice_message=voice.hint if isinstance(voice, MissingVoice) else None,
    )
    if isinstance(voice, MissingVoice):
        print(f"No voice, typed text only. {voice.hint}")
    return demo, calls
