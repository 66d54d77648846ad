"""The HTTP half of the Realtime API: client secrets, SDP calls, hang-up; where its websockets are.

Runs on asyncio and on trio. Each method is one request: nothing is retried, so nothing is opened
twice behind your back. A key is held in a `Secret`, and what the service says goes through the same
redaction before it reaches a message, since the service repeats a refused key in its answer.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Self
from urllib.parse import urlencode

import anyio
import attrs
import httpx2
import msgspec

__all__ = [
    "Call",
    "CallNotFound",
    "ClientSecret",
    "KeyRefused",
    "MissingKey",
    "OpenAI",
    "OpenAIError",
    "Secret",
    "ServiceError",
    "ServiceUnreachable",
]

BASE_URL = "https://api.openai.com/v1"
TIMEOUT_S = 20.0
CONNECT_TIMEOUT_S = 5.0
_TTL_S = range(10, 7201)  # what client_secrets takes as expires_after.seconds
_MAX_EXCERPT = 300  # characters of an answer that is not the service's error JSON
_CALL_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_LOCATION = re.compile(r".*/calls/([A-Za-z0-9_-]{1,128})/?")
_IN_HEADER = re.compile(r"[!-~]+")
# Standard keys (sk-…, sk-proj-…) and ephemeral ones (ek_…), also as the service masks them.
_KEY = re.compile(r"(?<![A-Za-z0-9])(sk-|ek_)[\w*.-]*[\w*-]")

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())


class OpenAIError(Exception):
    """Why no call came about: the base of MissingKey, ServiceError and ServiceUnreachable."""


class ServiceError(OpenAIError):
    """The service answered, but not with what was asked for. No message ever holds a key.

    `status` is the HTTP status; `code`, `message` and `param` are the service's own words where it
    sent its error JSON. With a status below 300 the answer's shape was wrong: `code` is None and
    `message` says how. `request_id` is what the service's support asks for.
    """

    call_id: str | None = None
    """Of a call that was opened without an answer for the page: hang it up."""
    hint = ""
    """What to change, where the status tells."""

    def __init__(
        self,
        status: int,
        code: str | None,
        message: str,
        param: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(status, code, message, param, request_id)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.request_id = request_id

    def __str__(self) -> str:
        head = f"the service answered {self.status}" + (f" {self.code}" if self.code else "")
        known = (("param", self.param), ("request", self.request_id))
        tail = ", ".join(f"{name} {value}" for name, value in known if value)
        said = self.message.rstrip(".") if self.hint else self.message
        return f"{head}: {said}" + (f" ({tail})" if tail else "") + self.hint


class KeyRefused(ServiceError):  # noqa: N818
    """The key is not one of this service's, or no longer: status 401."""

    hint = "; set OPENAI_API_KEY (or api_key=) to a key in force, an ek_ key is so for minutes only"


class CallNotFound(ServiceError):  # noqa: N818
    """There is no such call, or not for this key (S15): status 404, code `call_id_not_found`."""

    hint = "; use the standard key that opened the call, not an ek_ one, and while the call lasts"


class ServiceUnreachable(OpenAIError):  # noqa: N818 - says what happened, as ConnectionRefused does
    """No answer: `host` (with its port) could not be reached in time, or broke off; `reason`."""

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(host, reason)
        self.host = host
        self.reason = reason

    def __str__(self) -> str:
        return f"no answer from {self.host}: {self.reason}"


class MissingKey(OpenAIError):  # noqa: N818
    """There is no API key to send, or it is not one; the message says what to set."""


@attrs.frozen(repr=False)
class Secret:
    """A key that shows itself only when asked: `reveal()`."""

    _value: str = attrs.field(alias="value")

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret('…')"

    __str__ = __repr__


@attrs.frozen
class ClientSecret:
    """An ephemeral key: whoever holds it may open sessions until `expires_at` (Unix seconds)."""

    value: Secret
    expires_at: int
    session: Mapping[str, Any] = attrs.field(repr=False)  # prompts stay out of logs


@attrs.frozen
class Call:
    """An open call: its id, for a sideband or a hang-up, and the SDP answer for the page."""

    call_id: str
    answer: str = attrs.field(repr=False)


class OpenAI:
    """The Realtime API over HTTP, with one server key.

    Use it as an async context manager, or `aclose()` it. `http` is your own httpx2.AsyncClient, to
    share its pool or its proxies: it is left open, and its own timeouts hold beside `timeout_s`.

    Every call is over within `timeout_s` seconds (20 unless told; connecting within 5). All of them
    raise ServiceError for what the service refused or got wrong, ServiceUnreachable when there was
    no answer, and TypeError before any request for a session that is not JSON.

    Raises MissingKey for a key that is empty or no header could carry, ValueError for a `base_url`
    that is not plain http(s)://host[:port][/path].
    """

    def __init__(
        self,
        api_key: str | Secret,
        *,
        base_url: str = BASE_URL,
        http: httpx2.AsyncClient | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._key = _checked_key(api_key)
        self._base = _checked_base(base_url)
        self._timeout_s = timeout_s
        self._own = http is None
        self._client = http  # ours is made when it is needed: a websocket never does

    @classmethod
    def from_env(
        cls,
        *,
        api_key: str | Secret | None = None,
        base_url: str | None = None,
        http: httpx2.AsyncClient | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Self:
        """Take what is not given from the environment: OPENAI_API_KEY, OPENAI_BASE_URL.

        Raises MissingKey when there is no key, or an empty one.
        """
        key = os.environ.get("OPENAI_API_KEY", "") if api_key is None else api_key
        base = base_url or os.environ.get("OPENAI_BASE_URL") or BASE_URL
        return cls(key, base_url=base, http=http, timeout_s=timeout_s)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={str(self._base)!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections, unless `http` was yours."""
        if self._own and self._client is not None:
            await self._client.aclose()

    @property
    def calls_url(self) -> str:
        """Where a page posts its SDP offer."""
        return f"{self._base}/realtime/calls"

    @property
    def local(self) -> bool:
        """Whether the service is on this machine, where no proxy of the environment reaches it."""
        try:
            return ipaddress.ip_address(self._base.host).is_loopback
        except ValueError:
            return self._base.host == "localhost"

    def websocket_url(self, query: Mapping[str, str], *, under: str = "realtime") -> str:
        """Where a session is spoken over a websocket: `{"model": …}` or `{"call_id": …}` (§1.7).

        Raises ValueError for what is not a call id.
        """
        if "call_id" in query:
            _checked_call_id(query["call_id"])
        base = self._base.copy_with(scheme=self._base.scheme.replace("http", "ws"))
        return f"{base}/{under}?{urlencode(query)}"

    async def client_secret(
        self,
        session: Mapping[str, Any],
        *,
        ttl_s: int = 600,
        safety_identifier: str | None = None,
    ) -> ClientSecret:
        """Make an ephemeral key that opens sessions configured as `session` (GA shape).

        `ttl_s` is in seconds, 10 to 7200, else ValueError. `safety_identifier` is a stable id of
        the user, hashed by you; ValueError where it is not printable ASCII.
        """
        if ttl_s not in _TTL_S:
            raise ValueError(f"ttl_s is a whole number of seconds, 10 to 7200, not {ttl_s!r}")
        body = {
            "expires_after": {"anchor": "created_at", "seconds": ttl_s},
            "session": dict(session),
        }
        content = msgspec.json.encode(body)
        headers = self.headers(safety_identifier)
        headers["Content-Type"] = "application/json"
        url = f"{self._base}/realtime/client_secrets"
        response = await self._post(url, headers, content=content)
        return _read_client_secret(response)

    async def call(
        self, offer: str, session: Mapping[str, Any], *, safety_identifier: str | None = None
    ) -> Call:
        """Open a WebRTC call from a page's SDP `offer`, configured as `session` (GA shape).

        The offer is passed on as it is. `safety_identifier` as for `client_secret`.
        """
        configuration = msgspec.json.encode(dict(session))
        response = await self._post(
            self.calls_url,
            self.headers(safety_identifier),
            files={
                "sdp": (None, offer.encode(errors="replace"), "application/sdp"),
                "session": (None, configuration, "application/json"),
            },
        )
        return _read_call(response)

    async def hangup(self, call_id: str) -> None:
        """End a call, whoever opened it. One that is over already is a ServiceError, status 404.

        Raises ValueError, before any request, for what is not a call id.
        """
        _checked_call_id(call_id)
        await self._post(f"{self.calls_url}/{call_id}/hangup", self.headers())

    def headers(self, safety_identifier: str | None = None) -> httpx2.Headers:
        """The headers of a request or of a websocket's handshake: the key is in them.

        `safety_identifier` as for `client_secret`.
        """
        # Not a dict: this one's repr, as a traceback's locals show it, hides the key.
        headers = httpx2.Headers({"Authorization": f"Bearer {self._key.reveal()}"})
        if safety_identifier is not None:
            if not _IN_HEADER.fullmatch(safety_identifier):
                raise ValueError("safety_identifier is printable ASCII without spaces: a hash")
            headers["OpenAI-Safety-Identifier"] = safety_identifier
        return headers

    async def _post(self, url: str, headers: httpx2.Headers, **body: Any) -> httpx2.Response:
        try:
            with anyio.fail_after(self._timeout_s):
                # A redirect would carry the key on to where nobody sent it: it is an answer.
                response = await self._http().post(
                    url, headers=headers, follow_redirects=False, **body
                )
        except (TimeoutError, httpx2.RequestError) as error:
            raise self.unreachable(self._what_happened(error)) from error
        request_id = response.headers.get("x-request-id")
        _log.debug("POST %s: %d (request %s)", url, response.status_code, request_id)
        if not response.is_success:
            raise self.refusal(response)
        return response

    def _http(self) -> httpx2.AsyncClient:
        if self._client is None:
            self._client = _client(self.local, self._timeout_s)
        return self._client

    def refusal(self, response: httpx2.Response) -> ServiceError:
        """What an answer that is no success says, without any key in it."""
        return _read_refusal(response, self._redact)

    def unreachable(self, reason: str) -> ServiceUnreachable:
        """That there was no answer, and why, without any key in it."""
        return ServiceUnreachable(self._base.netloc.decode("ascii"), self._redact(reason))

    def _what_happened(self, error: Exception) -> str:
        if isinstance(error, httpx2.ConnectTimeout):
            return "the connection was not made in time"
        if isinstance(error, TimeoutError | httpx2.TimeoutException):
            return f"the answer took longer than {self._timeout_s:g} seconds"
        what = "failed" if isinstance(error, httpx2.ConnectError) else "broke"
        return f"the connection {what}: {str(error) or type(error).__name__}"

    def _redact(self, text: str) -> str:
        key = self._key.reveal()
        # Too short to be a secret (a local service takes any), and long enough to be a word.
        return _KEY.sub(r"\1…", text if len(key) < 8 else text.replace(key, "…"))


def _checked_key(key: str | Secret) -> Secret:
    text = (key.reveal() if isinstance(key, Secret) else key).strip()
    if not text:
        raise MissingKey(
            "no API key: set OPENAI_API_KEY in the environment of this process, or pass api_key="
        )
    if not _IN_HEADER.fullmatch(text):  # or the HTTP library would quote it in its complaint
        raise MissingKey(
            "the API key holds a space, a line break or a character that is not ASCII: "
            "set OPENAI_API_KEY (or api_key=) to the key and nothing else"
        )
    return Secret(text)


def _checked_base(text: str) -> httpx2.URL:
    try:
        url = httpx2.URL(text.strip().rstrip("/"))
    except httpx2.InvalidURL as error:
        raise ValueError(f"base_url is not a URL: {error}") from error
    fine = url.scheme in ("http", "https") and url.host
    if not fine or url.userinfo or url.query or url.fragment:
        raise ValueError(
            "base_url is http(s)://host[:port][/path], with no user, query or fragment"
        )
    return url


def _checked_call_id(text: str) -> None:
    if not _CALL_ID.fullmatch(text):
        raise ValueError(f"not a call id: {text[:64]!r}")


def _client(local: bool, timeout_s: float) -> httpx2.AsyncClient:
    timeout = httpx2.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s))
    return httpx2.AsyncClient(timeout=timeout, trust_env=not local)


class _Refusal(msgspec.Struct):
    message: str
    code: str | int | None = None
    type: str | None = None
    param: str | None = None


class _RefusalBody(msgspec.Struct):
    error: _Refusal | str


class _Minted(msgspec.Struct):
    value: str = ""
    expires_at: int | None = None
    session: dict[str, Any] = {}
    client_secret: Any = None  # the beta had value and expires_at in here


def _read_refusal(response: httpx2.Response, redact: Callable[[str], str]) -> ServiceError:
    """The service's own words; where there are none, the beginning of what came instead."""
    try:
        said = msgspec.json.decode(response.content, type=_RefusalBody).error
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        text = " ".join(redact(response.text).split()) or "an empty answer"
        said = text if len(text) <= _MAX_EXCERPT else f"{text[:_MAX_EXCERPT]}…"
    words = said if isinstance(said, _Refusal) else _Refusal(said)
    code = words.type if words.code is None else str(words.code)
    return _error(response, redact(words.message), redact(code or ""), redact(words.param or ""))


def _read_client_secret(response: httpx2.Response) -> ClientSecret:
    try:
        minted = msgspec.json.decode(response.content, type=_Minted)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        # The name of the fault only: the answer may hold a key.
        raise _error(
            response, f"the client secret is unreadable ({type(error).__name__})"
        ) from None
    if not minted.value and minted.client_secret is not None:
        raise _error(
            response,
            "the client secret has the shape of the beta API, which is over: "
            "base_url is not the GA Realtime API",
        )
    if not minted.value or minted.expires_at is None:
        raise _error(response, "a client secret without value and expires_at")
    return ClientSecret(Secret(minted.value), minted.expires_at, minted.session)


def _read_call(response: httpx2.Response) -> Call:
    location = response.headers.get("location")
    if location is None:
        raise _error(response, "an answer without Location, so the call has no id")
    named = _LOCATION.fullmatch(location)
    if named is None:
        raise _error(response, "an answer whose Location names no call")
    if not response.text.startswith("v=0"):
        kind = response.headers.get("content-type", "no content type")
        error = _error(response, f"call {named[1]} was opened without an SDP answer ({kind})")
        error.call_id = named[1]
        raise error
    return Call(named[1], response.text)


def _error(
    response: httpx2.Response, message: str, code: str = "", param: str = ""
) -> ServiceError:
    status, request_id = response.status_code, response.headers.get("x-request-id")
    kind = ServiceError
    if status == 401:
        kind = KeyRefused
    elif code == "call_id_not_found":
        kind = CallNotFound
    return kind(status, code or None, message, param or None, request_id)
