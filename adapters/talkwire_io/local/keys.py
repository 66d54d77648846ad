"""Which keys open what: server keys by the options, ephemeral keys by the secrets made here."""

from __future__ import annotations

from typing import Any

from talkwire_io.local.problems import ProblemError
from talkwire_io.local.secrets import PREFIX, Secrets

Session = dict[str, Any]

_PROTOCOL = "openai-insecure-api-key."


class Keys:
    """The keys of one service; `accepted` None takes any server key, as nothing here costs money.

    Every method raises ProblemError (401, 404) for a key that does not open what it is asked to.
    """

    def __init__(self, secrets: Secrets, accepted: frozenset[str] | None) -> None:
        self.secrets = secrets
        self._accepted = accepted

    def check(self, key: str) -> None:
        """Refuse a key that is no server key."""
        if self._accepted is not None and key not in self._accepted:
            raise ProblemError(401, "Incorrect API key provided.", code="invalid_api_key")

    def session(self, key: str) -> Session:
        """The session bound to an ephemeral key; a server key may ask for what it likes."""
        if not is_ephemeral(key):
            self.check(key)
            return {}
        secret = self.secrets.find(key)
        if secret is None:
            words = "The ephemeral key is unknown or has expired; make a new one."
            raise ProblemError(401, words, code="invalid_api_key")
        return secret.session


def is_ephemeral(key: str) -> bool:
    """Whether a page may have this key."""
    return key.startswith(PREFIX)


def bearer(header: str | None) -> str:
    """The key of an Authorization header."""
    scheme, _, key = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise ProblemError(401, "No API key was given: send 'Authorization: Bearer KEY'.")
    return key.strip()


def websocket_key(header: str | None, offered: list[str]) -> str:
    """A browser cannot set headers on a websocket, so it may give its key as a subprotocol."""
    for protocol in offered:
        if protocol.startswith(_PROTOCOL):
            return protocol.removeprefix(_PROTOCOL)
    return bearer(header)
