"""The class itself: AG2's names and shapes, over a `Relay` that keeps the rules."""

import asyncio
import json
import logging
import secrets
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, get_args

import anyio
import msgspec

from talkwire import (
    PARTIAL,
    ConfigurationLost,
    Event,
    FunctionCall,
    JsonObject,
    LocalProtocolError,
    PageEvent,
    PageText,
    Relay,
    Session,
    UnknownEvent,
    commands,
    counter,
    events,
    read_command,
)

from ..asyncio import Connection
from ..openai import OpenAI, ServiceError, ServiceUnreachable
from ..tools.answers import send_result
from . import config
from . import events as ag2
from .page import PageSocket, WebSocket, as_object

Role = Literal["user", "assistant", "system"]

_WIRE = get_args(events.ServerEvent)
_HANG_UP_S = 5.0  # what cancels a call waits no longer for its end
_log = logging.getLogger(__name__)


class OpenAIRealtimeWebRTCClient:
    """A realtime call whose sound goes between page and model, for AG2's `RealtimeAgent`.

    `llm_config` is an `LLMConfig` or a dict, `websocket` the page's, accepted by you.

    Raises UnusableConfig for an `llm_config` that no call can be made of, TypeError for a
    `websocket` without AG2's methods.
    """

    def __init__(
        self, *, llm_config: Any, websocket: WebSocket, logger: logging.Logger | None = None
    ) -> None:
        self._config = config.read(llm_config)
        for needed in ("send_json", "receive_text"):
            if not hasattr(websocket, needed):
                raise TypeError(f"websocket: {type(websocket).__name__} has no {needed}()")
        self._logger = logger
        self._page = PageSocket(websocket)
        self._connection: Connection | None = None
        self._heard: deque[Any] = deque()
        self._waiting: asyncio.Timeout | None = None

    @property
    def logger(self) -> logging.Logger:
        """The logger given, or this module's own."""
        return self._logger or _log

    # -- the call

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[None]:
        """Get an ephemeral key and have the page open its call; leaving ends the call.

        Raises MissingKey, ServiceError or ServiceUnreachable when there is no key for the page.
        """
        if self._config.temperature is not None:
            self._drop_temperature()
        async with self._config.service() as service:
            relay = await self._opened(service)
            try:
                async with Connection(relay, self._page) as self._connection:
                    yield
            finally:
                await self._hang_up(service, relay.call_id)

    async def _opened(self, service: OpenAI) -> Relay:
        """A relay that has told the page how to open its call, as soon as it is drained."""
        session = self._session()  # before the key, which no call would be made with otherwise
        model, voice = self._config.model, {"output": {"voice": self._config.voice}}
        key = await service.client_secret({"type": "realtime", "model": model, "audio": voice})
        relay = Relay(session, now=_now())  # not before: the page's time begins with it
        relay.open_call(service.calls_url, key.value.reveal(), model=model, now=_now())
        return relay

    def _session(self) -> Session:
        ids = counter(secrets.token_hex(4) + "_")
        session = Session(plane=PARTIAL, now=_now(), unix_time=time.time(), ids=ids)
        for each in self.session_init_data():
            self._queue(session, each)
        return session

    def _queue(self, session: Session, written: JsonObject) -> None:
        """Have a command leave, in GA's shape or the beta's."""
        command = read_command(written)
        if isinstance(command, commands.SessionUpdate):
            if "temperature" in written["session"]:
                self._drop_temperature()
            session.session_update(command.session, now=_now())
        else:
            session.send(command, now=_now())

    async def _hang_up(self, service: OpenAI, call_id: str | None) -> None:
        # Which call that is, our own page alone says, and the service hangs up any of our
        # project's (S10): a page that knew the id of another user's could end it.
        try:
            with anyio.move_on_after(_HANG_UP_S, shield=True):
                if call_id is not None:
                    await service.hangup(call_id)
        except (ServiceError, ServiceUnreachable, ValueError) as error:
            self.logger.info("call not hung up: %s", error)

    def session_init_data(self) -> list[dict[str, Any]]:
        """The commands that open the session, for you to replace; the beta's shapes will do."""
        audio = {
            "input": {"turn_detection": {"type": "server_vad"}},
            "output": {"voice": self._config.voice},
        }
        session = {"type": "realtime", "output_modalities": ["audio"], "audio": audio}
        return [{"type": "session.update", "session": session}]

    # -- in

    async def read_events(self) -> AsyncGenerator[Any]:
        """AG2's events, until the call is over; no frame and no call of the model's ends it."""
        async for event in self._read_from_connection():
            yield event

    async def _read_from_connection(self) -> AsyncGenerator[Any]:
        connection, message = self._connected("read_events"), JsonObject()
        while True:
            while self._heard:
                yield self._heard.popleft()
            try:
                async with asyncio.timeout(None) as self._waiting:
                    event = await anext(connection)
            except TimeoutError:  # there is something in `_heard`
                continue
            except StopAsyncIteration:
                break
            finally:
                self._waiting = None
            if isinstance(event, _WIRE):
                message = self._page.raw(event)
            for each in await self._translated(event, message):
                yield each

    async def _translated(self, event: Event | PageEvent, message: JsonObject) -> list[Any]:
        match event:
            case FunctionCall():
                return await self._called(event, message)
            case UnknownEvent():
                return self._parse_message(as_object(event.frame))
            case PageText():  # typed into our own page; AG2's has no such thing
                await self.send_text(role="user", text=event.text)
            case ConfigurationLost():
                self.logger.error("session.update refused: %s (%s)", event.message, event.param)
            case events.ErrorEvent():
                error = event.error
                self.logger.warning("the service: %s (%s)", error.message, error.code)
            case events.ResponseFunctionCallArgumentsDone():
                return []  # the call itself follows, once, if it is one
            case _:
                self.logger.debug("%r", event)
        return self._parse_message(message) if isinstance(event, _WIRE) else []

    async def _called(self, call: FunctionCall, message: JsonObject) -> list[Any]:
        """The call for AG2's observers; what they would leave unanswered is answered here."""
        if call.out_of_band:
            self.logger.warning(
                "%.64r: a call outside the conversation has no answer", call.call_id
            )
            return []
        if call.name not in self._functions():
            return await self._refuse(call, f"There is no function {call.name[:64]}.", message)
        try:
            arguments = msgspec.convert(json.loads(call.arguments or "{}"), JsonObject)
        except msgspec.ValidationError:
            return await self._refuse(call, "The arguments are not an object.", message)
        except (ValueError, RecursionError):
            return await self._refuse(call, "The arguments are not JSON.", message)
        return [ag2.called(call.call_id, call.name, arguments, message)]

    def _functions(self) -> set[Any]:
        """The names of the functions that the model was given."""
        tools: Any = self._connected("read_events").session.settings.desired.get("tools")
        return {tool.get("name") for tool in tools or () if hasattr(tool, "get")}

    async def _refuse(self, call: FunctionCall, why: str, message: JsonObject) -> list[Any]:
        self.logger.warning("function call %.64r refused: %.99r", call.call_id, why)
        await self.send_function_result(call.call_id, json.dumps({"error": why}))
        return self._parse_message(message)

    def _parse_message(self, message: dict[str, Any]) -> list[Any]:
        return [ag2.told(message)]

    # -- out

    async def send_function_result(self, call_id: str, result: str) -> None:
        """Answer a function call; one response follows when all calls of its response are answered.
        A result that cannot be sent is answered with an error, in words for the model.

        Raises LocalProtocolError for a call that nobody made, or that was answered before.
        """
        if (connection := self._live("send_function_result")) is not None:
            await send_result(connection, call_id, result, logger=self.logger)

    async def send_text(self, *, role: Role, text: str) -> None:
        """Say something, and have it answered; what the model is saying is stopped for it."""
        if (connection := self._live("send_text")) is not None:
            await connection.cancel()
            await connection.send_text(text, role=role)

    async def send_audio(self, audio: str) -> None:
        """Tell the observers of audio (base64): the page has sent it to the model already."""
        self._heard.append(ag2.heard(audio))
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(_now())

    async def truncate_audio(self, audio_end_ms: int, content_index: int, item_id: str) -> None:
        """Cut a spoken item (ms). Over WebRTC the service does so by itself (§3.6)."""
        if (connection := self._live("truncate_audio")) is not None:
            await connection.truncate_audio(item_id, audio_end_ms, content_index=content_index)

    async def session_update(self, session_options: dict[str, Any]) -> None:
        """Patch the configuration, in GA's shape or the beta's flat one."""
        if (connection := self._live("session_update")) is not None:
            written = {"type": "session.update", "session": session_options}
            self._queue(connection.session, written)
            await connection.flush()

    def _live(self, call: str) -> Connection | None:
        """The connection; None once the call is over, for the page may go at any time."""
        connection = self._connected(call)
        if connection.session.takes_commands:
            return connection
        self.logger.info("%s: the call is over", call)
        return None

    def _connected(self, call: str) -> Connection:
        if self._connection is None:
            raise LocalProtocolError(f"{call} is not legal before connect()")
        return self._connection

    def _drop_temperature(self) -> None:
        self.logger.warning("temperature: the GA Realtime API has none, so it is not sent")

    # -- AG2's registry

    @classmethod
    def get_factory(
        cls, llm_config: Any, logger: logging.Logger, **kwargs: Any
    ) -> Callable[[], "OpenAIRealtimeWebRTCClient"] | None:
        """What makes a client, where this one fits: OpenAI's API, and a websocket given."""
        if config.api_type(llm_config) != "openai" or list(kwargs) != ["websocket"]:
            return None
        return lambda: cls(llm_config=llm_config, logger=logger, **kwargs)


def _now() -> float:
    return asyncio.get_running_loop().time()


def register() -> None:
    """Have `RealtimeAgent(websocket=...)` use this client, in the place of AG2's own.

    AG2 takes the first that fits, and its own is registered by its import: so ours has its name.
    """
    own = ag2.module("clients.oai").OpenAIRealtimeWebRTCClient
    names = {"__module__": own.__module__}
    ours = type(own.__name__, (OpenAIRealtimeWebRTCClient,), names)
    ag2.module("clients.realtime_client").register_realtime_client()(ours)
