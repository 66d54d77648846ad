"""What HTTP requests to the local service hold, read or refused."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from quart import request

from talkwire.errors import LocalProtocolError
from talkwire.realtime.kind import Kind
from talkwire.realtime.service import Service
from talkwire_io.local.keys import Session
from talkwire_io.local.problems import ProblemError
from talkwire_io.local.secrets import DEFAULT_SECONDS

_MAX_SDP = 256 * 1024
_KINDS = (Kind.REALTIME.value, Kind.TRANSCRIPTION.value)
_json_object = msgspec.json.Decoder(dict[str, Any]).decode


class _ExpiresAfter(msgspec.Struct):
    anchor: str = "created_at"
    seconds: int = DEFAULT_SECONDS


async def json_body() -> dict[str, Any]:
    """The body, an object; an empty one if there is none."""
    return read_object(await request.get_data() or "{}", "the body")


def read_object(text: str | bytes, name: str) -> dict[str, Any]:
    """The JSON object that `name` holds."""
    try:
        return _json_object(text)
    except (ValueError, RecursionError) as error:
        raise ProblemError(400, f"{name} is not a JSON object.", code="invalid_json") from error


def seconds(body: dict[str, Any]) -> int:
    """How long a secret is asked to live."""
    try:
        return msgspec.convert(body.get("expires_after") or {}, _ExpiresAfter).seconds
    except msgspec.ValidationError as error:
        words = f"'expires_after' is {{anchor?, seconds}}: {error}."
        raise ProblemError(400, words, code="invalid_type", param="expires_after") from error


def settings(body: dict[str, Any]) -> Session:
    """The session that a body describes."""
    try:
        return msgspec.convert(body.get("session") or {}, dict[str, Any])
    except msgspec.ValidationError as error:
        words = "'session' must be an object."
        raise ProblemError(400, words, code="invalid_type", param="session") from error


def effective(session: Session) -> Session:
    """What a call opened with these settings would begin with; refuses what it would refuse."""
    kind = session.get("type", _KINDS[0])
    if kind not in _KINDS:
        words = f"Invalid value: '{kind}'. Supported values are: 'realtime' and 'transcription'."
        raise ProblemError(400, words, code="invalid_value", param="session.type")
    try:
        return Service(now=0.0, session=session, kind=kind).session
    except LocalProtocolError as error:
        words = str(error).partition(": ")[2]
        raise ProblemError(400, words, code="invalid_value", param="session") from error


async def sdp_body() -> str:
    """The SDP offer that is the body."""
    _check_size()
    body = await request.get_data()
    return _checked(body if isinstance(body, str) else body.decode("utf-8", "replace"))


async def sdp_form() -> tuple[str, Session]:
    """The SDP offer and the session of a multipart body."""
    _check_size()
    offer, text = await _part("sdp"), await _part("session")
    return _checked(offer), read_object(text, "session") if text else {}


def _check_size() -> None:
    if (request.content_length or 0) > _MAX_SDP:
        raise ProblemError(413, f"An SDP offer is at most {_MAX_SDP} bytes long.")


def _checked(offer: str) -> str:
    """The offer; refuses what is none."""
    if not offer.lstrip().startswith("v=0"):
        raise ProblemError(400, "The body is not an SDP offer.", code="invalid_offer")
    return offer


async def _part(name: str) -> str:
    """A part of a multipart body, sent as a field or as a file."""
    file = (await request.files).get(name)
    if file is not None:
        return bytes(file.read()).decode("utf-8", "replace")
    form = cast(Any, await request.form)  # pyright: ignore[reportUnknownMemberType]
    return str(form.get(name, ""))
