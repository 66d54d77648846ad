"""An `llm_config` as AG2's users write it, read for a realtime call."""

import os
from typing import Any, Protocol

from attrs import field, frozen

from ..openai import BASE_URL, OpenAI, Secret

VOICE = "alloy"  # AG2's own default
# AG2 took the whole address of the beta's sessions as `base_url`; what precedes it is meant.
_ENDPOINTS = ("/realtime/sessions", "/realtime/client_secrets", "/realtime")
_EXAMPLE = 'llm_config={"config_list": [{"model": "gpt-realtime", "api_key": "sk-…"}]}'


class UnusableConfig(ValueError):  # noqa: N818 - says what it is
    """An `llm_config` that no realtime call can be made of; the message says what to change."""


class Entry(Protocol):
    """A row of the `config_list`: a dict, or AG2's own `LLMConfigEntry`."""

    def get(self, key: str, default: Any = None, /) -> Any: ...


@frozen(kw_only=True)
class RealtimeConfig:
    """What of an `llm_config` a realtime call takes."""

    model: str
    voice: str
    base_url: str
    api_key: Secret | None
    """None: OPENAI_API_KEY of the environment."""
    temperature: float | None = field(default=None)
    """As it was set; GA has none (§2.2)."""

    def service(self) -> OpenAI:
        """The HTTP calls, with this key. Raises MissingKey without one, UnusableConfig for a
        `base_url` that is none."""
        key = self.api_key or os.environ.get("OPENAI_API_KEY", "")
        try:
            return OpenAI(key, base_url=self.base_url)
        except ValueError as error:
            raise UnusableConfig(f"llm_config: base_url {self.base_url!r}: {error}") from error


def api_type(llm_config: Any) -> str:
    """Whose API the first row of the `config_list` is for. Raises UnusableConfig without one."""
    return str(_first(llm_config).get("api_type") or "openai")


def read(llm_config: Any) -> RealtimeConfig:
    """Read an `LLMConfig` or a dict: the first row of its `config_list`, as AG2 does.

    Raises UnusableConfig for what AG2 would refuse, or break over later.
    """
    entry, kind = _first(llm_config), api_type(llm_config)
    if kind != "openai":
        raise UnusableConfig(
            f"llm_config: api_type {kind!r} has another client; this one is for 'openai'"
        )
    model = entry.get("model")
    if not isinstance(model, str) or not model:
        raise UnusableConfig(f"llm_config: its first row names no model; write {_EXAMPLE}")
    temperature = llm_config.get("temperature")
    return RealtimeConfig(
        model=model,
        voice=str(entry.get("voice") or VOICE),
        base_url=_base(str(entry.get("base_url") or BASE_URL)),
        api_key=_key(entry.get("api_key")),
        temperature=entry.get("temperature") if temperature is None else temperature,
    )


def _first(llm_config: Any) -> Entry:
    try:
        entry: Entry = llm_config["config_list"][0]
    except (KeyError, IndexError, TypeError) as error:
        raise UnusableConfig(f"llm_config: no row in its config_list; write {_EXAMPLE}") from error
    if not hasattr(entry, "get"):
        kind = type(entry).__name__  # the row itself may hold a key
        raise UnusableConfig(f"llm_config: a row is a dict, not {kind}; write {_EXAMPLE}")
    return entry


def _key(key: Any) -> Secret | None:
    """A key as text, or as pydantic hides it."""
    shown = key.get_secret_value() if hasattr(key, "get_secret_value") else key
    if shown is not None and not isinstance(shown, str):
        raise UnusableConfig(f"llm_config: api_key is a text, not {type(shown).__name__}")
    return Secret(shown) if shown else None


def _base(url: str) -> str:
    base = url.rstrip("/")
    for endpoint in _ENDPOINTS:
        base = base.removesuffix(endpoint)
    return base
