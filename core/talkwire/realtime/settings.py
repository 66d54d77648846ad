"""Session configuration: what we asked for, what is in force, and where the two differ (§1.6).

An update is a patch, and a refused one is lost whole (§3.1). So what leaves is only what is not so
already, and what a refusal loses is taken back out of what we asked for.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from attrs import define, field
from msgspec import Raw

from ..errors import LocalProtocolError
from ..values import Payload, new_dict
from .items import read
from .json_values import JsonObject, is_list, is_object
from .playback import G711_BYTES_PER_MS, PCM16_BYTES_PER_MS

_OBJECT = msgspec.json.Decoder(dict[str, Any])

# Objects that hold settings of their own: a patch goes into them key by key.
_SECTIONS = frozenset({"audio", "input", "output"})
# Objects that the service fills in with its defaults, and a patch of the same type merges into.
_MERGED = frozenset({"turn_detection", "transcription"})
_FILLED_IN = _MERGED | {"format", "noise_reduction"}
# Objects that the service may fill in, but that a patch replaces.
_REPLACED = frozenset({"prompt", "tracing", "truncation", "reasoning"})
# What the service tells wrongly (openai-realtime-api-beta#18), and what no patch changes.
_NOT_COMPARED = frozenset({"type", "audio.input.format"})
# "gpt-realtime" is told as the snapshot it stands for.
_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}")


def merged(settings: JsonObject, patch: JsonObject) -> JsonObject:
    """A patch laid over settings, as the service does it; neither of them is changed."""
    result = dict(settings)
    for key, value in patch.items():
        below = result.get(key)
        if is_object(below) and is_object(value) and _merges(key, below, value):
            result[key] = merged(below, value)
        else:
            result[key] = value
    return result


def _merges(key: str, below: JsonObject, value: JsonObject) -> bool:
    """Whether a patch goes into an object; one of another type replaces it whole."""
    same = value.get("type", below.get("type")) == below.get("type")
    return key in _SECTIONS or (key in _MERGED and same)


def inside(settings: JsonObject, *path: str) -> Any:
    """A nested value, or None where the path ends early."""
    value: Any = settings
    for key in path:
        value = value.get(key) if is_object(value) else None
    return value


# What the rules read of a configuration. A clone may say nothing of something, which is not to say
# that it is off.
class _Detection(Payload, frozen=True, kw_only=True):
    create_response: bool | None = None
    interrupt_response: bool | None = None


class _Format(Payload, frozen=True, kw_only=True):
    type: str | None = None


class _Input(Payload, frozen=True, kw_only=True):
    turn_detection: _Detection | None = _Detection()


class _Output(Payload, frozen=True, kw_only=True):
    format: _Format | None = None


class _Audio(Payload, frozen=True, kw_only=True):
    input: _Input | None = None
    output: _Output | None = None


class _Told(Payload, frozen=True, kw_only=True):
    audio: _Audio | None = None
    expires_at: Any = None


_TOLD = msgspec.json.Decoder(_Told)
_NOTHING = _Told()


@define
class Settings:
    """The two configurations of a session, and what the rules read of the one in force."""

    desired: JsonObject = field(factory=new_dict)
    """Everything we asked for, patch upon patch, without the patches that were refused."""
    drift: JsonObject | None = None
    """What we asked for and is not so: the value in force by its dotted path."""
    service_responds: bool = True
    """Whether the service answers a committed turn by itself."""
    speech_interrupts: bool = True
    """Whether the service stops responding when the user speaks."""
    output_bytes_per_ms: int = PCM16_BYTES_PER_MS
    """How many bytes of output audio last one ms."""
    _accepted: JsonObject = field(factory=new_dict)
    _under_way: dict[str, tuple[JsonObject, JsonObject]] | None = None
    _effective: bytes | None = None

    @property
    def effective(self) -> JsonObject:
        """The configuration in force; empty until the service told it."""
        return read(Raw(self._effective or b"{}"), _OBJECT, {})

    @property
    def input_bytes_per_ms(self) -> int:
        """How many bytes of input audio last one ms, at least: it may not be known."""
        path = ("audio", "input", "format", "type")
        told = {inside(self.desired, *path), inside(self.effective, *path)} - {None}
        return PCM16_BYTES_PER_MS if told == {"audio/pcm"} else G711_BYTES_PER_MS

    # -- our side

    def check(self, patch: JsonObject, *, spoke: bool) -> None:
        """Refuse what the service would: `spoke` says that output audio was heard (§1.6, §3.10).

        Raises LocalProtocolError: the model never changes, the voice not after the first output
        audio, tracing not once it is on.
        """
        effective = self.effective
        model, tracing = effective.get("model"), effective.get("tracing")
        voice = inside(patch, "audio", "output", "voice")
        if model is not None and not _holds("model", patch.get("model", model), model):
            raise LocalProtocolError(f"session.update: the model is {model!r} for good")
        if spoke and voice is not None:
            in_force = inside(effective, "audio", "output", "voice")
            if not _holds("voice", voice, in_force):
                raise LocalProtocolError("session.update: voice fixed after first audio")
        if tracing is not None and not _same(patch.get("tracing", tracing), tracing):
            raise LocalProtocolError("session.update: tracing cannot be changed once it is on")

    def difference(self, patch: JsonObject) -> JsonObject:
        """What of a patch is not so already and has to be sent; it may be nothing.

        What an update still on its way changes is never taken for being so: it may be refused.
        """
        moving: JsonObject = {}
        for _, earlier in (self._under_way or {}).values():
            moving = merged(moving, earlier)
        return _difference(patch, self.effective, moving)

    def ask(self, patch: JsonObject, changes: JsonObject, event_id: str) -> None:
        """The changes that a patch makes are being sent. Both are JSON; copies are kept."""
        patch, changes = _copy(patch), _copy(changes)
        self._under_way = {**(self._under_way or {}), event_id: (patch, changes)}
        self.desired = merged(self.desired, patch)

    # -- the service's side

    def confirm(self, session: Raw, answered: str | None = None) -> Any:
        """Keep the service's word as JSON, and of it what is read at every turn.

        `answered`: the `event_id` of the update that it answers, if it answers one. Gives
        `expires_at` as it was told.
        """
        self._effective = bytes(session)
        told = read(session, _TOLD, _NOTHING)
        audio = told.audio or _Audio()
        detection = (audio.input or _Input()).turn_detection
        self.service_responds = detection is not None and detection.create_response is not False
        self.speech_interrupts = detection is None or detection.interrupt_response is not False
        kind = ((audio.output or _Output()).format or _Format()).type
        is_g711 = kind in ("audio/pcmu", "audio/pcma")
        self.output_bytes_per_ms = G711_BYTES_PER_MS if is_g711 else PCM16_BYTES_PER_MS
        if answered is not None:
            self._settled(answered, accepted=True)
        if not self._under_way:
            drift = dict(_drift(self.desired, self.effective)) if self.desired else None
            self.drift = drift or None
        return told.expires_at

    def unanswered(self, event_id: str) -> None:
        """Nobody tells what became of an update: it counts as made."""
        self._settled(event_id, accepted=True)

    def refused(self, event_id: str) -> JsonObject | None:
        """The service refused an update: gives the patch that is lost, None for no update."""
        return self._settled(event_id, accepted=False)

    def _settled(self, event_id: str, *, accepted: bool) -> JsonObject | None:
        if not self._under_way or event_id not in self._under_way:
            return None
        under_way = dict(self._under_way)
        patch, _ = under_way.pop(event_id)
        if accepted:
            self._accepted = merged(self._accepted, patch)
        self._under_way = under_way or None
        self.desired = self._accepted
        for later, _ in under_way.values():
            self.desired = merged(self.desired, later)
        return patch


def _copy(patch: JsonObject) -> JsonObject:
    return _OBJECT.decode(msgspec.json.encode(patch))


def _difference(patch: JsonObject, there: JsonObject, moving: JsonObject) -> JsonObject:
    rest: JsonObject = {}
    for key, asked in patch.items():
        below = there.get(key)
        if key in _SECTIONS and is_object(asked) and is_object(below):
            under_way = moving.get(key)
            inner = _difference(asked, below, under_way if is_object(under_way) else {})
            if inner:
                rest[key] = inner
        elif key in moving or key not in there or not _holds(key, asked, below):
            rest[key] = asked
    return rest


def _drift(desired: JsonObject, there: JsonObject, path: str = "") -> Iterator[tuple[str, Any]]:
    """Where the service says something else than we asked; what it leaves out says nothing."""
    for key, asked in desired.items():
        if key not in there or path + key in _NOT_COMPARED:
            continue
        below = there[key]
        if key in _SECTIONS and is_object(asked) and is_object(below):
            yield from _drift(asked, below, f"{path}{key}.")
        elif not _holds(key, asked, below, _FILLED_IN | _REPLACED):
            yield path + key, below


def _holds(key: str, asked: Any, there: Any, filled_in: frozenset[str] = _FILLED_IN) -> bool:
    """Whether a setting in force says what was asked; the service completes some of them."""
    if key == "voice":  # a name, or an object with an id
        asked, there = _name(asked), _name(there)
    if key == "model" and isinstance(asked, str) and isinstance(there, str):
        rest = there.removeprefix(asked)
        return not rest or (rest != there and _SNAPSHOT.fullmatch(rest) is not None)
    try:
        if key in filled_in and is_object(asked) and is_object(there):
            return all(_same(value, there.get(name)) for name, value in asked.items())
        return _same(asked, there)
    except RecursionError:
        return False


def _same(asked: Any, there: Any) -> bool:
    """Whether two values are equal, where null, absent and empty say the same."""
    if is_object(asked) and is_object(there):
        return all(_same(asked.get(key), there.get(key)) for key in {*asked, *there})
    if is_list(asked) and is_list(there):
        return len(asked) == len(there) and all(map(_same, asked, there))
    return bool(asked == there) or (_is_empty(asked) and _is_empty(there))


def _name(voice: Any) -> Any:
    return voice.get("id") if is_object(voice) else voice


def _is_empty(value: object) -> bool:
    return value in (None, "", [], {})
