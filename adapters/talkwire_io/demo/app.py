"""The demo's web application: a page, and one voice session with tools behind it."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path

from attrs import field, frozen
from quart import Quart, Response

from talkwire import JsonObject, LocalProtocolError, PageText
from talkwire.recording import Write

from ..asyncio import Connection
from ..openai import OpenAI, ServiceError, ServiceUnreachable
from ..quart import blueprint, connect
from ..recording import recording_in
from ..tools import Tools
from .tools import EXAMPLES, TOOLS

PAGE = Path(__file__).parent / "page"
SETTINGS: JsonObject = {
    "instructions": "You are a friendly guide to a demo. Answer in one or two short sentences. "
    "Use the tools for weather, timers and the time.",
    "audio": {
        "input": {
            "transcription": {"model": "gpt-4o-mini-transcribe"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
        },
        "output": {"voice": "marin"},
    },
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self' blob: mediastream:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SECURITY = {
    "Permissions-Policy": "microphone=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_log = logging.getLogger(__name__)


@frozen(kw_only=True)
class Demo:
    """What the demo talks to, and what its page says about that."""

    service: OpenAI
    model: str
    name: str
    tools: Tools = TOOLS
    brain_notice: str | None = None
    voice_ok: bool = True
    voice_message: str | None = None
    record: Path | None = None
    """The folder for recordings of the calls."""
    _calls: set[Connection] = field(factory=set[Connection], init=False)

    def status(self) -> JsonObject:
        """The page's notices; the shape `page.js` reads."""
        tools = [
            {key: one[key] for key in ("name", "description")} for one in self.tools.definitions
        ]
        return {
            "service": self.name,
            "brain": self.brain_notice,
            "voice": {"ok": self.voice_ok, "message": self.voice_message},
            "tools": tools,
            "try": list(EXAMPLES),
        }

    @asynccontextmanager
    async def keeping(self, call: Connection) -> AsyncGenerator[None]:
        """Remember a call for `say_goodbye` while it lasts."""
        self._calls.add(call)
        try:
            yield
        finally:
            self._calls.discard(call)

    def recording(self) -> AbstractContextManager[Write | None]:
        """Where a call is written down, if it is."""
        return nullcontext() if self.record is None else recording_in(self.record)

    async def say_goodbye(self) -> None:
        """End every call: the pages are told, the handlers finish by themselves."""
        await asyncio.gather(*(call.close() for call in self._calls))


def create_app(demo: Demo) -> Quart:
    """The page at `/`, its files under `/page`, its websocket at `/talk`."""
    app = Quart(__name__, static_folder=str(PAGE), static_url_path="/page")
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 0
    app.register_blueprint(blueprint)

    @app.get("/")
    async def index() -> Response:
        return await app.send_static_file("index.html")

    @app.get("/demo/status")
    async def status() -> JsonObject:
        return demo.status()

    @app.websocket("/talk")
    async def talk() -> None:
        try:
            await _talk(demo)
        except (ServiceError, ServiceUnreachable) as refusal:
            _log.error("%s", refusal)

    @app.after_request
    async def secure(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = _POLICY
        for name, value in _SECURITY.items():
            response.headers.setdefault(name, value)
        return response

    return app


async def _talk(demo: Demo) -> None:
    """One call: run the model's tools, pass on what the user types."""
    settings = {**SETTINGS, "tools": demo.tools.definitions}
    with demo.recording() as record:
        async with (
            connect(
                settings,
                service=demo.service,
                model=demo.model,
                record=record,
            ) as call,
            demo.keeping(call),
            demo.tools.running(call) as running,
        ):
            async for event in call:
                match event:
                    case PageText():
                        await _say(call, event.text)
                    case _:
                        running.handle(event)


async def _say(call: Connection, text: str) -> None:
    """What was typed stops what is being said. It may be the last that a page sent."""
    try:
        await call.cancel()
        await call.send_text(text)
    except LocalProtocolError as error:
        _log.info("typed too late: %s", error)
