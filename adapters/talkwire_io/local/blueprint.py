"""The local service over HTTP, as OpenAI's has it: keys, SDP calls and a websocket."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec
from quart import Blueprint, Response, request, websocket
from werkzeug.exceptions import HTTPException

from talkwire.errors import LocalProtocolError
from talkwire.realtime.service import Service
from talkwire_io.local.calls import Calls, FullError
from talkwire_io.local.problems import ProblemError
from talkwire_io.local.secrets import DEFAULT_SECONDS, PREFIX, Secrets
from talkwire_io.local.webrtc import NoCandidatesError, OfferError

Session = dict[str, Any]
View = Callable[..., Awaitable[Any]]

_MAX_SDP = 256 * 1024
_KEY_PROTOCOL = "openai-insecure-api-key."
_TRY_AGAIN_LATER = 1013
_json_object = msgspec.json.Decoder(dict[str, Any]).decode


class _ExpiresAfter(msgspec.Struct):
    anchor: str = "created_at"
    seconds: int = DEFAULT_SECONDS


def _expires_after(value: Any) -> _ExpiresAfter:
    return msgspec.convert(value, _ExpiresAfter)


def realtime_blueprint(
    calls: Calls, *, secrets: Secrets | None = None, name: str = "realtime"
) -> Blueprint:
    """Serve `calls` under `/v1/realtime`; they are closed when the app's serving ends.

    Give `secrets` to make keys yourself (`secrets.mint`); otherwise a page asks
    `POST /v1/realtime/client_secrets` for them. Await `calls.close()` before the server stops, if
    open websockets shall not wait for the server's own patience.
    """
    views = _Views(calls, Secrets() if secrets is None else secrets)
    blueprint = Blueprint(name, __name__)
    for path, view in (
        ("/v1/realtime/client_secrets", views.client_secrets),
        ("/v1/realtime/calls", views.open_call),
        ("/v1/realtime/calls/<call_id>/hangup", views.hangup),
    ):
        # Not Quart's own answer to OPTIONS: OpenAI's is a 204, and a preflight has no body.
        blueprint.add_url_rule(
            path, view.__name__, view, methods=["POST"], provide_automatic_options=False
        )
        blueprint.add_url_rule(path, f"{view.__name__}_options", _preflight, methods=["OPTIONS"])
    blueprint.websocket("/v1/realtime")(views.converse)
    blueprint.register_error_handler(ProblemError, _refuse)
    blueprint.register_error_handler(HTTPException, _refuse_http)
    blueprint.after_request(_allow_other_pages)
    blueprint.after_app_serving(calls.close)
    return blueprint


class _Views:
    def __init__(self, calls: Calls, secrets: Secrets) -> None:
        self._calls = calls
        self._secrets = secrets

    async def client_secrets(self) -> Response:
        """Make an ephemeral key for a session."""
        _bearer(request.headers.get("Authorization"))
        body = _object(await request.get_data() or "{}", "the body")
        settings = _settings(body.get("session"))
        session = _effective(settings)
        try:
            secret = self._secrets.mint(settings, seconds=_seconds(body))
        except ValueError as error:
            raise ProblemError(
                400, str(error), code="invalid_value", param="expires_after.seconds"
            ) from error
        return _json({"value": secret.value, "expires_at": secret.expires_at, "session": session})

    async def open_call(self) -> Response:
        """Answer an SDP offer."""
        key = _bearer(request.headers.get("Authorization"))
        if (request.content_length or 0) > _MAX_SDP:
            raise ProblemError(413, f"An SDP offer is at most {_MAX_SDP} bytes long.")
        offer, session = await self._offer(key)
        if not offer.lstrip().startswith("v=0"):
            raise ProblemError(400, "The body is not an SDP offer.", code="invalid_offer")
        try:
            call_id, answer = await self._calls.open(offer, session)
        except FullError as error:
            raise ProblemError(503, str(error), code="too_many_calls") from error
        except OfferError as error:
            raise ProblemError(400, str(error), code="invalid_offer") from error
        except NoCandidatesError as error:
            raise ProblemError(503, str(error), code="no_candidates") from error
        except TimeoutError as error:
            raise ProblemError(503, "The call could not be set up in time.") from error
        location = f"/v1/realtime/calls/{call_id}"
        return Response(answer, 201, headers={"Location": location}, content_type="application/sdp")

    async def hangup(self, call_id: str) -> Response:
        """End a call, and answer when it is gone."""
        _bearer(request.headers.get("Authorization"))
        if not self._calls.hangup(call_id, "hung up over HTTP"):
            raise ProblemError(404, f"There is no call {call_id}.", code="call_id_not_found")
        await self._calls.ended(call_id)
        return Response(b"", 200)

    async def converse(self) -> None:
        """Carry a call over a websocket."""
        for name in ("call_id", "intent"):
            if name in websocket.args:
                # Better than a new conversation in silence.
                words = f"This service has no '{name}' sessions."
                raise ProblemError(400, words, code="unknown_parameter", param=name)
        offered = websocket.requested_subprotocols
        session = self._session(_websocket_key(offered))
        if model := websocket.args.get("model"):
            session = session | {"model": model}
        _effective(session)
        if self._calls.full:
            words = "No call can be taken: all lines are busy."
            raise ProblemError(503, words, code="too_many_calls")
        protocol = "realtime" if "realtime" in offered else None
        await websocket.accept(subprotocol=protocol)  # pyright: ignore[reportUnknownMemberType]
        try:
            beta = "realtime=v1" in websocket.headers.get("OpenAI-Beta", "")
            code = await self._calls.converse(session, websocket.receive, websocket.send, beta=beta)
        except FullError:
            await websocket.close(_TRY_AGAIN_LATER)  # the last line was taken meanwhile
        else:
            await websocket.close(code)

    async def _offer(self, key: str) -> tuple[str, Session]:
        """The SDP and the session it asks for, from either kind of body."""
        session = self._session(key)
        if model := request.args.get("model"):
            session = session | {"model": model}
        match request.mimetype:
            case "application/sdp":
                offer = _text(await request.get_data())
            case "multipart/form-data":
                offer = await _part("sdp")
                text = await _part("session")
                if text and not key.startswith(PREFIX):
                    session = session | _object(text, "session")
            case other:
                words = f"Unsupported content type: '{other}'. Send 'application/sdp'."
                raise ProblemError(400, words, code="unsupported_content_type")
        _effective(session)
        return offer, session

    def _session(self, key: str) -> Session:
        """The session bound to an ephemeral key; any other key may ask for what it likes."""
        if not key.startswith(PREFIX):
            return {}
        secret = self._secrets.find(key)
        if secret is None:
            words = "The ephemeral key is unknown or has expired; make a new one."
            raise ProblemError(401, words, code="invalid_api_key")
        return secret.session


def _bearer(header: str | None) -> str:
    """The key of an Authorization header; whatever it is, as nothing here costs money."""
    scheme, _, key = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise ProblemError(401, "No API key was given: send 'Authorization: Bearer KEY'.")
    return key.strip()


def _websocket_key(offered: list[str]) -> str:
    """A browser cannot set headers on a websocket, so it may give its key as a subprotocol."""
    for protocol in offered:
        if protocol.startswith(_KEY_PROTOCOL):
            return protocol.removeprefix(_KEY_PROTOCOL)
    return _bearer(websocket.headers.get("Authorization"))


def _text(data: str | bytes) -> str:
    return data if isinstance(data, str) else data.decode("utf-8", "replace")


def _object(text: str | bytes, name: str) -> dict[str, Any]:
    try:
        return _json_object(text)
    except (ValueError, RecursionError) as error:
        raise ProblemError(400, f"{name} is not a JSON object.", code="invalid_json") from error


def _seconds(body: dict[str, Any]) -> int:
    try:
        return _expires_after(body.get("expires_after") or {}).seconds
    except msgspec.ValidationError as error:
        words = f"'expires_after' is {{anchor?, seconds}}: {error}."
        raise ProblemError(400, words, code="invalid_type", param="expires_after") from error


def _settings(value: Any) -> Session:
    try:
        return msgspec.convert(value or {}, dict[str, Any])
    except msgspec.ValidationError as error:
        words = "'session' must be an object."
        raise ProblemError(400, words, code="invalid_type", param="session") from error


def _effective(session: Session) -> Session:
    """What a call opened with these settings would begin with; refuses what it would refuse."""
    try:
        return Service(now=0.0, session=session).session
    except LocalProtocolError as error:
        raise ProblemError(400, str(error), code="invalid_value", param="session") from error


async def _part(name: str) -> str:
    """A part of a multipart body, sent as a field or as a file."""
    file = (await request.files).get(name)
    if file is not None:
        return bytes(file.read()).decode("utf-8", "replace")
    form = cast(Any, await request.form)  # pyright: ignore[reportUnknownMemberType]
    return str(form.get(name, ""))


def _json(body: object) -> Response:
    return Response(json.dumps(body), 200, content_type="application/json")


async def _preflight(**_: str) -> Response:
    return Response(b"", 204)


async def _refuse(problem: ProblemError) -> Response:
    return problem.response()


async def _refuse_http(error: HTTPException) -> Response:
    return ProblemError(error.code or 500, error.description or error.name).response()


async def _allow_other_pages(response: Response) -> Response:
    """CORS: the page may come from anywhere, as OpenAI's may; it still needs a key."""
    asked = request.headers.get("Access-Control-Request-Headers")
    headers = response.headers
    headers["Access-Control-Allow-Origin"] = "*"
    headers["Access-Control-Allow-Methods"] = "POST, OPTIONS"
    headers["Access-Control-Allow-Headers"] = asked or "Authorization, Content-Type"
    headers["Access-Control-Expose-Headers"] = "Location"
    headers["Access-Control-Max-Age"] = "600"
    return response
