"""A page's call, whatever framework its websocket came with: who may open one, and how it opens."""

import logging
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Container, Generator, Iterable
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

import anyio
from attrs import field, frozen

from talkwire import (
    RELAY,
    SIDEBAND,
    JsonObject,
    PageEvent,
    PageHello,
    PageOffer,
    Plane,
    Relay,
    Session,
    counter,
)
from talkwire.recording import Write
from talkwire.recording import record as recorded

from .dialing import Dial, check_settings, dial
from .openai import MissingKey, OpenAI, OpenAIError, Secret, ServiceError, ServiceUnreachable
from .transport import Transport

HANG_UP_S = 5.0
"""How long hanging up may hold up a block that was cancelled."""
Admit = Callable[[PageHello], Awaitable[bool]]
_log = logging.getLogger(__name__)

Awaited = TypeVar("Awaited", bound=PageEvent)


@frozen(kw_only=True)
class PageCall:
    """A page's call: what `page_call` made of its arguments."""

    settings: JsonObject = field(repr=False)  # prompts stay out of logs
    service: OpenAI | None
    api_key: str | Secret | None = field(repr=False)
    model: str
    sideband: bool
    subscribe: Iterable[str] | None
    calls_url: str | None
    origins: Container[str | None] | None
    safety_identifier: str | None
    admit: Admit | None
    record: Write | None

    @property
    def session(self) -> JsonObject:
        """The configuration as the HTTP calls take it."""
        return {"type": "realtime", "model": self.model, **self.settings}

    def may_connect(self, origin: str | None, host: str, *, secure: bool) -> bool:
        """Whether a page of this origin may, where the websocket came to `host` (S1).

        Scheme, host and port must match to the letter; no Origin, no call, unless you say so.
        """
        if self.origins is not None:
            may = origin in self.origins
        else:
            scheme, _, named = (origin or "").partition("://")
            # A proxy may have taken the TLS off a page's websocket; nobody puts it on.
            may = named == host and scheme in (("https",) if secure else ("http", "https"))
        if not may:
            _log.warning("a page of origin %r may not connect to %r: see origins=", origin, host)
        return may


def page_call(
    settings: JsonObject,
    *,
    service: OpenAI | None = None,
    api_key: str | Secret | None = None,
    model: str = "gpt-realtime",
    sideband: bool = True,
    subscribe: Iterable[str] | None = None,
    calls_url: str | None = None,
    origins: Container[str | None] | None = None,
    safety_identifier: str | None = None,
    admit: Admit | None = None,
    record: Write | None = None,
) -> PageCall:
    """One call for the page behind a websocket.

    `settings` is the session's configuration (§1.6), `service` who answers; None: who
    OPENAI_BASE_URL names, else OpenAI, with `api_key` or OPENAI_API_KEY. The call is opened with
    that key, which the page never sees, and the session hears the service itself, over a sideband.
    With `sideband=False` the page opens it with an ephemeral key, posting its offer to `calls_url`
    (None: at the service), and passes on what it hears: claims (S3). `subscribe` then names the
    event types to receive beside those the session needs (None: all).

    `origins` is who may connect (None: pages of this same host; S1); a None among them is a client
    that sends no Origin. `admit` looks at the page's hello, with the ticket it shows, before
    anything is spent on it; False sends it away (S2). `safety_identifier` is a stable id of the
    user, hashed by you, `record` takes the lines of a recording (`talkwire.recording`).

    When the page goes, iterating ends; leaving the block says goodbye and hangs the call up.

    Raises OpenAIError where the service would not have the call: MissingKey, ServiceError
    (KeyRefused, CallNotFound) or ServiceUnreachable; the page has been told by then.
    LocalProtocolError or ValueError for arguments that no call can be made of. A page of another
    origin gets 403 before the websocket is accepted.
    """
    if service is not None and api_key is not None:
        raise ValueError("the service has its key: pass service= or api_key=, not both")
    if sideband and (subscribe is not None or calls_url is not None):
        raise ValueError("subscribe= and calls_url= are for pages that pass on: sideband=False")
    check_settings(settings, SIDEBAND)
    return PageCall(
        settings=settings,
        service=service,
        api_key=api_key,
        model=model,
        sideband=sideband,
        subscribe=subscribe,
        calls_url=calls_url,
        origins=(origins,) if isinstance(origins, str) else origins,
        safety_identifier=safety_identifier,
        admit=admit,
        record=record,
    )


class Driver(Protocol):
    """What both runtimes' `Connection` has, as far as opening a call needs it."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...
    async def wait_for(self, kind: type[Awaited]) -> Awaited | None: ...
    def attach(self, sideband: Transport) -> None: ...
    async def flush(self) -> None: ...


Connection = TypeVar("Connection", bound=Driver)


@frozen(kw_only=True)
class Runtime(Generic[Connection]):
    """What differs between asyncio and trio: the driver, the clock, the websocket library."""

    connection: Callable[[Relay, Transport], Connection]
    now: Callable[[], float]
    open_transport: Callable[[Dial], AbstractAsyncContextManager[Transport]]


@asynccontextmanager
async def open_call(
    call: PageCall, transport: Transport, runtime: Runtime[Connection]
) -> AsyncGenerator[Connection]:
    """Open a call for the page at the other end of `transport`."""
    async with AsyncExitStack() as stack:
        try:
            service = call.service
            if service is None:
                service = await stack.enter_async_context(OpenAI.from_env(api_key=call.api_key))
        except MissingKey as error:
            await _send_away(error, transport, runtime)
            raise
        opening = _Opening(call, service, transport, runtime)
        opened = opening.by_offer() if call.sideband else opening.by_key()
        yield await stack.enter_async_context(opened)


@frozen
class _Opening(Generic[Connection]):
    call: PageCall
    service: OpenAI
    transport: Transport
    runtime: Runtime[Connection]

    @asynccontextmanager
    async def by_offer(self) -> AsyncGenerator[Connection]:
        """Post the page's offer with our key, which the page never sees."""
        relay = self._relay(SIDEBAND)
        relay.ask_for_offer(now=self.runtime.now())
        afterwards = AsyncExitStack()
        async with afterwards, self.runtime.connection(relay, self.transport) as connection:
            with self._telling(relay):
                if await self._admits(relay, connection):
                    offer = await connection.wait_for(PageOffer)
                    if offer is not None:
                        await self._answer(relay, offer, connection, afterwards)
                yield connection

    async def _answer(
        self, relay: Relay, offer: PageOffer, connection: Connection, afterwards: AsyncExitStack
    ) -> None:
        """Attach to the call before the page has its answer: so the session hears all of it."""
        asked, service = self.call, self.service
        user = asked.safety_identifier
        try:
            call = await service.call(offer.sdp, asked.session, safety_identifier=user)
        except ServiceError as error:
            if error.call_id is not None:  # it was opened all the same
                await _hang_up(service, error.call_id)
            raise
        afterwards.push_async_callback(_hang_up, service, call.call_id)
        sideband = dial({}, call_id=call.call_id, service=service, safety_identifier=user)
        connection.attach(
            await afterwards.enter_async_context(self.runtime.open_transport(sideband))
        )
        relay.session.session_update(asked.settings, now=self.runtime.now())
        relay.answer(call.answer, call.call_id, now=self.runtime.now())
        await connection.flush()

    @asynccontextmanager
    async def by_key(self) -> AsyncGenerator[Connection]:
        """Have the page post its offer with an ephemeral key."""
        relay = self._relay(RELAY)
        try:
            async with self.runtime.connection(relay, self.transport) as connection:
                with self._telling(relay):
                    if await self._admits(relay, connection):
                        await self._hand_out_key(relay, connection)
                    yield connection
        finally:
            # Which call that is, the page alone says, and the service hangs up any of our
            # project's (S10): a page that knew the id of another user's could end it. Ids are
            # unguessable.
            if relay.call_id is not None:
                await _hang_up(self.service, relay.call_id)

    async def _hand_out_key(self, relay: Relay, connection: Connection) -> None:
        asked, service = self.call, self.service
        key = await service.client_secret(asked.session, safety_identifier=asked.safety_identifier)
        now = self.runtime.now()
        relay.session.session_update(asked.settings, now=now)
        relay.open_call(asked.calls_url or service.calls_url, key.value.reveal(), now=now)
        await connection.flush()

    async def _admits(self, relay: Relay, connection: Connection) -> bool:
        """Hear the page's hello: nothing is spent on who says none, or may not call (S2)."""
        hello = await connection.wait_for(PageHello)
        if hello is None or relay.closed:
            return False
        if self.call.admit is None or await self.call.admit(hello):
            return True
        relay.close("refused", "The server does not take this call.", now=self.runtime.now())
        return False

    @contextmanager
    def _telling(self, relay: Relay) -> Generator[None]:
        """Tell the page why it was that its call did not open, or broke off."""
        try:
            yield
        except OpenAIError as error:
            relay.close("service_refused", _for_the_page(error), now=self.runtime.now())
            raise
        except Exception:
            relay.close("failed", "The server failed.", now=self.runtime.now())
            raise

    def _relay(self, plane: Plane) -> Relay:
        asked, now = self.call, self.runtime.now()
        ids = counter(secrets.token_hex(4) + "_")  # the page may speak into the same call
        session = Session(plane=plane, now=now, unix_time=time.time(), ids=ids)
        relay = Relay(session, subscribe=asked.subscribe, now=now)
        return relay if asked.record is None else recorded(relay, asked.record, now=now)


async def _send_away(error: Exception, transport: Transport, runtime: Runtime[Connection]) -> None:
    relay = Relay(Session(plane=RELAY, now=runtime.now()), now=runtime.now())
    relay.close("service_refused", _for_the_page(error), now=runtime.now())
    async with runtime.connection(relay, transport):
        pass


async def _hang_up(service: OpenAI, call_id: str) -> None:
    """A call outlives its page by half a minute unless somebody ends it."""
    try:
        with anyio.move_on_after(HANG_UP_S, shield=True):
            await service.hangup(call_id)
    except (ServiceError, ServiceUnreachable, ValueError) as error:
        _log.info("call not hung up: %s", error)


def _for_the_page(error: Exception) -> str:
    """What the user may know: the kind of trouble, not the service's own words (S13)."""
    match error:
        case MissingKey():
            return "The server has no usable key for the voice service; its log says more."
        case ServiceError():
            return f"The voice service refused the call ({error.code or error.status})."
        case _:
            return "The voice service cannot be reached."
