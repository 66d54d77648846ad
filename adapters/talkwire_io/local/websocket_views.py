"""The local service's websocket address (§1.7): a conversation, a transcription, a sideband."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from quart import websocket

from talkwire_io.local import bodies
from talkwire_io.local.calls import Calls, FullError, UnknownCallError
from talkwire_io.local.keys import Keys, Session, is_ephemeral, websocket_key
from talkwire_io.local.options import Options
from talkwire_io.local.problems import ProblemError, no_translator, unknown_call
from talkwire_io.local.websocket import Receive, Send

_TRY_AGAIN_LATER = 1013


class WebsocketViews:
    """Each method carries one websocket; ProblemError refuses it before it is accepted."""

    def __init__(self, calls: Calls, keys: Keys, options: Options) -> None:
        self._calls = calls
        self._keys = keys
        self._options = options

    async def open(self) -> None:
        """Take a websocket for what its address asks for."""
        key = _key()
        call_id = websocket.args.get("call_id")
        if call_id is None:
            await self._converse(self._keys.session(key))
        else:
            await self._attend(call_id, key)

    async def translate(self) -> None:
        """Refuse a translation session, to whoever has a key."""
        self._keys.session(_key())
        raise no_translator()

    async def _converse(self, bound: Session) -> None:
        session = bound | _asked()
        bodies.effective(session)
        if self._calls.full:
            words = "No call can be taken: all lines are busy."
            raise ProblemError(503, words, code="too_many_calls")
        beta = "realtime=v1" in websocket.headers.get("OpenAI-Beta", "")
        dialect = self._options.dialect(beta=beta)
        await _carry(partial(self._calls.converse, session, dialect=dialect))

    async def _attend(self, call_id: str, key: str) -> None:
        """Take a second controller; with a page's key there is no call to be found (§1.7)."""
        self._keys.session(key)
        if "model" in websocket.args:
            words = "'call_id' joins a call, whose model is given: leave 'model' away."
            raise ProblemError(400, words, code="invalid_value", param="model")
        try:
            self._calls.check(call_id)
        except UnknownCallError:
            raise unknown_call(call_id) from None
        if is_ephemeral(key):
            raise unknown_call(call_id)
        await _carry(partial(self._calls.attend, call_id))


async def _carry(call: Callable[[Receive, Send], Awaitable[int]]) -> None:
    """Accept the websocket, carry it to its end and close it."""
    protocol = "realtime" if "realtime" in websocket.requested_subprotocols else None
    await websocket.accept(subprotocol=protocol)  # pyright: ignore[reportUnknownMemberType]
    try:
        code = await call(websocket.receive, websocket.send)
    except (FullError, UnknownCallError):
        code = _TRY_AGAIN_LATER  # the last line was taken meanwhile, or the call has ended
    await websocket.close(code)


def _key() -> str:
    return websocket_key(websocket.headers.get("Authorization"), websocket.requested_subprotocols)


def _asked() -> Session:
    """What the address says of the session."""
    model, intent = websocket.args.get("model"), websocket.args.get("intent")
    if intent not in (None, "transcription"):
        words = f"Invalid value: '{intent}'. Supported values are: 'transcription'."
        raise ProblemError(400, words, code="invalid_value", param="intent")
    if intent:
        if model:
            words = "You must not provide a model parameter for transcription sessions."
            raise ProblemError(400, words, code="invalid_model", param="model")
        return {"type": "transcription"}
    return {"model": model} if model else {}
