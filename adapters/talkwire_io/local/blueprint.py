"""The local service as addresses of a Quart app, as OpenAI's has them (§1.7)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from quart import Blueprint, Response, has_request_context, request
from werkzeug.exceptions import HTTPException

from talkwire_io.local.calls import Calls
from talkwire_io.local.http_views import HttpViews
from talkwire_io.local.keys import Keys
from talkwire_io.local.options import Options
from talkwire_io.local.problems import ProblemError
from talkwire_io.local.secrets import Secrets
from talkwire_io.local.websocket_views import WebsocketViews

View = Callable[..., Awaitable[Any]]


def realtime_blueprint(
    calls: Calls,
    *,
    secrets: Secrets | None = None,
    options: Options | None = None,
    name: str = "realtime",
) -> Blueprint:
    """Serve `calls` under `/v1/realtime`; they are closed when the app's serving ends.

    Give `secrets` to make keys yourself (`secrets.mint`); otherwise a page asks
    `POST /v1/realtime/client_secrets` for them. `options` are for tests of what goes wrong. Await
    `calls.close()` before the server stops, if open websockets shall not wait for the server's own
    patience.
    """
    options = options or Options()
    keys = Keys(Secrets() if secrets is None else secrets, options.keys)
    views, sockets = HttpViews(calls, keys, options), WebsocketViews(calls, keys, options)
    call = "/v1/realtime/calls/<call_id>"
    posted: dict[str, View] = {
        "/v1/realtime/client_secrets": views.client_secrets,
        "/v1/realtime/calls": views.open_call,
        f"{call}/hangup": views.hangup,
        f"{call}/<any(accept, reject, refer):what>": views.sip,
        "/v1/realtime/translations/client_secrets": views.translation_secrets,
        "/v1/realtime/sessions": views.beta_session,
        "/v1/realtime/transcription_sessions": views.beta_transcription_session,
        "/v1/realtime": views.open_beta_call,
    }
    blueprint = Blueprint(name, __name__)
    for path, view in posted.items():
        # Not Quart's own answer to OPTIONS: OpenAI's is a 204, and a preflight has no body.
        blueprint.add_url_rule(
            path, view.__name__, view, methods=["POST"], provide_automatic_options=False
        )
        blueprint.add_url_rule(path, f"{view.__name__}_options", _preflight, methods=["OPTIONS"])
    blueprint.websocket("/v1/realtime")(sockets.open)
    blueprint.websocket("/v1/realtime/translations")(sockets.translate)
    blueprint.register_error_handler(ProblemError, _refuse)
    blueprint.register_error_handler(HTTPException, _refuse_http)
    blueprint.after_request(_allow_other_pages)
    blueprint.after_app_serving(calls.close)
    return blueprint


async def _preflight(**_: str) -> Response:
    return Response(b"", 204)


async def _refuse(problem: ProblemError) -> Response:
    await _hear_out()
    return problem.response()


async def _refuse_http(error: HTTPException) -> Response:
    await _hear_out()
    return ProblemError(error.code or 500, error.description or error.name).response()


async def _hear_out() -> None:
    """Read what the client still sends: where a server closes before that, TCP may throw its answer
    away, and a refused key looks like a broken line."""
    if has_request_context():
        with suppress(HTTPException):
            await request.get_data(cache=False)


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
