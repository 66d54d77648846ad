"""Quart: a page's websocket as a `Transport`, and a call in one `async with`.

Quart has two habits that a voice call must not inherit: a disconnect cancels the handler
wherever it is, and the queue between socket and handler is unbounded. Registering `blueprint`
mends both, and serves the page's module.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Container, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from quart import Blueprint, Quart, Response, Websocket, abort, websocket
from quart.asgi import ASGIWebsocketConnection

from talkwire import RELAY, JsonObject, Relay, Session, counter
from talkwire.recording import Write
from talkwire.recording import record as recorded

from .asyncio import Connection
from .browser import static_path
from .openai import MissingKey, OpenAI, ServiceError, ServiceUnreachable
from .transport import TransportClosed

QUEUED_MESSAGES = 64
"""Messages of a page that wait while its handler is busy; then the page's socket waits."""

_SCOPE_KEY = "talkwire.page"
_log = logging.getLogger(__name__)


class PageConnection(ASGIWebsocketConnection):
    """Quart's websocket with a bounded queue that ends in None when the page has gone."""

    def __init__(self, app: Quart, scope: Any) -> None:
        super().__init__(app, scope)
        self.queue: asyncio.Queue[str | bytes | None] = asyncio.Queue(maxsize=QUEUED_MESSAGES)
        self.carries_a_call = False
        self.gone = False
        self.close_code: int | None = None
        scope[_SCOPE_KEY] = self

    async def handle_messages(self, receive: Callable[[], Awaitable[Any]]) -> None:
        """Queue what the page sends, and its end. Quart cancels the handler when this returns."""

        async def noting() -> Any:
            event = await receive()
            if event["type"] == "websocket.disconnect":
                self.gone, self.close_code = True, event.get("code")
            elif event.get("text") is None and not event.get("bytes"):
                event = {**event, "text": ""}  # Quart reads an empty binary message as None
            return event

        await super().handle_messages(noting)
        if self.carries_a_call:
            await self.queue.put(None)
            await asyncio.Event().wait()  # until the handler is done


class PageTransport:
    """The websocket of the request being handled. Raises RuntimeError without `blueprint`.

    From here on a disconnect does not cancel the handler: it is told by `receive`, after all that
    the page had said. What is sent to a page that has gone meanwhile is dropped.

    A cancelled `send` has not sent, for Quart yields before it writes. Only while the page's socket
    takes no more may the server have the message already, and then the page gets it twice.
    """

    def __init__(self) -> None:
        # The object behind the context-local, so that any task may use it.
        current: Any = websocket
        self._websocket: Websocket = current._get_current_object()
        scope: Any = self._websocket.scope
        page = scope.get(_SCOPE_KEY)
        if page is None:
            raise RuntimeError("register talkwire_io.quart.blueprint on the app first")
        self._page: PageConnection = page
        self._page.carries_a_call = True
        self._ended = False

    async def receive(self) -> str | bytes:
        """Wait for the page's next message; what it sent before it went is not lost."""
        if not self._ended:
            # Typed as Quart knows it; that None is the end is between this queue and us.
            message: Any = await self._websocket.receive()
            if isinstance(message, str | bytes):
                return message
            self._ended = True
        raise TransportClosed(self._page.close_code)

    async def send(self, message: str) -> None:
        if self._ended:
            raise TransportClosed(self._page.close_code)
        if not self._page.gone:
            await self._websocket.send(message)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it and wake who receives: a page that is out of reach never answers a close."""
        if not self._page.gone:
            self._page.gone = True
            while not self._page.queue.empty():
                self._page.queue.get_nowait()
            self._page.queue.put_nowait(None)
            await self._websocket.close(code, reason)


@asynccontextmanager
async def connect(
    settings: JsonObject,
    *,
    service: OpenAI | None = None,
    model: str = "gpt-realtime",
    subscribe: Iterable[str] | None = None,
    calls_url: str | None = None,
    origins: Container[str] | None = None,
    record: Write | None = None,
) -> AsyncGenerator[Connection]:
    """One call for the page behind the current websocket, opened with an ephemeral key.

    `settings` is the session's configuration (§1.6), `service` who answers (None: OpenAI, with
    OPENAI_API_KEY and OPENAI_BASE_URL from the environment), `subscribe` the event types to receive
    beside those the session needs (None: all), `calls_url` where the page posts its offer
    (None: at the service), `origins` who may connect (None: pages of this same host; S1), `record`
    what takes the lines of a recording (`talkwire.recording`).

    When the page goes, iterating ends; leaving the block says goodbye and hangs the call up.

    Raises MissingKey, ServiceError or ServiceUnreachable when there is no key for the page, which
    has been told by then. A page of another origin gets 403 before the websocket is accepted.
    """
    if not _may_connect(websocket.headers.get("Origin"), origins):
        abort(403)
    transport = PageTransport()
    async with AsyncExitStack() as stack:
        try:
            if service is None:
                service = await stack.enter_async_context(OpenAI.from_env())
            key = await service.client_secret({"type": "realtime", "model": model, **settings})
        except (MissingKey, ServiceError, ServiceUnreachable) as error:
            await _send_away(transport, error)
            raise
        # Not before: the page cannot say hello while it waits for us, and its time would run.
        now = asyncio.get_running_loop().time()
        ids = counter(secrets.token_hex(4) + "_")
        session = Session(plane=RELAY, now=now, unix_time=time.time(), ids=ids)
        relay = Relay(session, subscribe=subscribe, now=now)
        relay = relay if record is None else recorded(relay, record, now=now)
        relay.session.session_update(settings, now=now)
        relay.open_call(calls_url or service.calls_url, key.value.reveal(), now=now)
        try:
            async with Connection(relay, transport) as connection:
                yield connection
        finally:
            await _hang_up(service, relay.call_id)


async def _send_away(
    transport: PageTransport, error: MissingKey | ServiceError | ServiceUnreachable
) -> None:
    now = asyncio.get_running_loop().time()
    relay = Relay(Session(plane=RELAY, now=now), now=now)
    relay.close("service_refused", _for_the_page(error), now=now)
    async with Connection(relay, transport):
        pass


def _may_connect(origin: str | None, origins: Container[str] | None) -> bool:
    """Scheme, host and port must match to the letter; no Origin, no call."""
    if origin is None:
        return False
    if origins is not None:
        return origin in origins
    scheme, _, host = origin.partition("://")
    # A proxy may have taken the TLS off a page's websocket; nobody puts it on.
    fitting = ("https",) if websocket.scheme == "wss" else ("http", "https")
    return host == websocket.host and scheme in fitting


async def _hang_up(service: OpenAI, call_id: str | None) -> None:
    """A call outlives its page by half a minute unless somebody ends it.

    Which call that is, the page alone says, and the service hangs up any of our project's (S10):
    a page that knew the id of another user's call could end it. Ids are unguessable, and a page is
    told only its own. Once the backend posts the offer for the page, it will know by itself.
    """
    try:
        if call_id is not None:
            await service.hangup(call_id)
    except (ServiceError, ServiceUnreachable, ValueError) as error:
        _log.info("call not hung up: %s", error)


def _for_the_page(error: MissingKey | ServiceError | ServiceUnreachable) -> str:
    """What the user may know: the kind of trouble, not the service's own words (S13)."""
    match error:
        case MissingKey():
            return "The server has no usable key for the voice service; its log says more."
        case ServiceUnreachable():
            return "The voice service cannot be reached."
        case ServiceError():
            return f"The voice service refused the call ({error.code or error.status})."


blueprint = Blueprint("talkwire", __name__, static_folder=str(static_path()))
"""Serves `/talkwire.js`, and gives the app websockets that a call can live on."""


@blueprint.get("/talkwire.js")
async def module() -> Response:
    response = await blueprint.send_static_file("talkwire.js")
    response.cache_control.no_cache = True  # page and backend must speak the same version
    return response


@blueprint.record_once
def _use_page_connections(state: Any) -> None:
    state.app.asgi_websocket_class = PageConnection
