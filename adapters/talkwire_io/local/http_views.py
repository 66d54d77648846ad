"""The local service's HTTP addresses (§1.7): keys, SDP calls and what may be done with a call."""

from __future__ import annotations

import json

from quart import Response, request

from talkwire.realtime.beta import SWITCHED_OFF, Dialect
from talkwire.realtime.service_beta import asked_session, told_session
from talkwire_io.local import bodies
from talkwire_io.local.calls import Calls, FullError, UnknownCallError
from talkwire_io.local.keys import Keys, Session, bearer, is_ephemeral
from talkwire_io.local.options import Options
from talkwire_io.local.problems import ProblemError, no_translator, unknown_call
from talkwire_io.local.secrets import Secret
from talkwire_io.local.webrtc import NoCandidatesError, OfferError

_BETA_SECONDS = 60


class HttpViews:
    """Each method answers one address, or raises ProblemError."""

    def __init__(self, calls: Calls, keys: Keys, options: Options) -> None:
        self._calls = calls
        self._keys = keys
        self._options = options

    # GA

    async def client_secrets(self) -> Response:
        """Make an ephemeral key for a session."""
        self._speaks_ga()
        self._keys.check(_key())
        body = await bodies.json_body()
        settings = bodies.settings(body)
        session = bodies.effective(settings)
        secret = self._mint(settings, bodies.seconds(body))
        return _json({"value": secret.value, "expires_at": secret.expires_at, "session": session})

    async def open_call(self) -> Response:
        """Answer an SDP offer."""
        self._speaks_ga()
        key = _key()
        session = self._keys.session(key) | _model()
        match request.mimetype:
            case "application/sdp":
                offer = await bodies.sdp_body()
            case "multipart/form-data":
                offer, given = await bodies.sdp_form()
                # What is bound to an ephemeral key, who holds it cannot change.
                session = session if is_ephemeral(key) else session | given
            case other:
                words = f"Unsupported content type: '{other}'. Send 'application/sdp'."
                raise ProblemError(400, words, code="unsupported_content_type")
        return await self._answer(offer, session, Dialect.GA)

    async def hangup(self, call_id: str) -> Response:
        """End a call, and answer when it is gone."""
        self._check_call(call_id)
        self._calls.hangup(call_id, "hung up over HTTP")
        await self._calls.ended(call_id)
        return Response(b"", 200)

    async def sip(self, call_id: str, what: str) -> Response:
        """Refuse what is for a call that rings: accept, reject, refer."""
        self._check_call(call_id)
        words = f"Cannot {what} call {call_id}: it is not a SIP call."
        raise ProblemError(400, words, code="invalid_value", param="call_id")

    async def translation_secrets(self) -> Response:
        """Refuse to make a key for a translation session."""
        self._speaks_ga()
        self._keys.check(_key())
        raise no_translator()

    # Beta

    async def beta_session(self) -> Response:
        """Make an ephemeral key, beta's way."""
        return await self._beta_session("realtime")

    async def beta_transcription_session(self) -> Response:
        """Make an ephemeral key for a transcription, beta's way."""
        return await self._beta_session("transcription")

    async def _beta_session(self, kind: str) -> Response:
        self._speaks_beta()
        self._keys.check(_key())
        settings = asked_session(await bodies.json_body(), kind=kind)
        session = told_session(bodies.effective(settings))
        secret = self._mint(settings, _BETA_SECONDS)
        shown = {"value": secret.value, "expires_at": secret.expires_at}
        return _json({**session, "client_secret": shown})

    async def open_beta_call(self) -> Response:
        """Answer an SDP offer, beta's way."""
        self._speaks_beta()
        session = self._keys.session(_key()) | _model()
        return await self._answer(await bodies.sdp_body(), session, Dialect.BETA)

    # Both

    def _speaks_ga(self) -> None:
        if Dialect.GA not in self._options.dialects:
            words = f"Unknown request URL: {request.method} {request.path}."
            raise ProblemError(404, words, code="unknown_url")

    def _speaks_beta(self) -> None:
        if Dialect.BETA not in self._options.dialects:
            words = "The Realtime Beta API is no longer supported. Please use the GA API."
            raise ProblemError(400, words, code=SWITCHED_OFF)

    def _check_call(self, call_id: str) -> None:
        self._speaks_ga()
        self._keys.check(_key())
        try:
            self._calls.check(call_id)
        except UnknownCallError:
            raise unknown_call(call_id) from None

    def _mint(self, settings: Session, seconds: int) -> Secret:
        try:
            return self._keys.secrets.mint(settings, seconds=seconds)
        except ValueError as error:
            raise ProblemError(
                400, str(error), code="invalid_value", param="expires_after.seconds"
            ) from error

    async def _answer(self, offer: str, session: Session, dialect: Dialect) -> Response:
        bodies.effective(session)
        try:
            call_id, answer = await self._calls.open(offer, session, dialect=dialect)
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


def _key() -> str:
    return bearer(request.headers.get("Authorization"))


def _model() -> Session:
    model = request.args.get("model")
    return {"model": model} if model else {}


def _json(body: object) -> Response:
    return Response(json.dumps(body), 200, content_type="application/json")
