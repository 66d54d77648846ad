"""Who has the floor: the gate of the default conversation, the responses, and what is audible.

The gate is moved by the rows of `state.GATES` only. A service answers at once, so the states in
which a client waits are passed through within one call.
"""

from typing import Any

from attrs import define, field

from .engine import EngineRequest, PlaybackCleared, ResponseRequested, ResponseStopped
from .json_values import JsonObject
from .service_checks import RefusedError
from .service_context import Context
from .service_conversation import Conversation
from .service_limits import RateLimits
from .service_outbox import Outbox
from .service_response import Message, Response, new_response
from .state import GATES, Gate, GateInput, advance

TURN_DETECTED: JsonObject = {"type": "cancelled", "reason": "turn_detected"}
CLIENT_CANCELLED: JsonObject = {"type": "cancelled", "reason": "client_cancelled"}
_TOO_LONG: JsonObject = {
    "type": "failed",
    "error": {
        "type": "invalid_request_error",
        "code": "context_length_exceeded",
        "message": "The conversation is longer than the model's context, and truncation is "
        "disabled.",
    },
}


@define
class Floor:
    """The running responses; `active` is the one that writes to the default conversation."""

    _outbox: Outbox
    _conversation: Conversation
    _context: Context
    _limits: RateLimits
    plays: bool
    """Whether the service plays the audio itself (WebRTC), instead of sending it."""
    now: float
    """When the input that is being handled came (s)."""
    running: dict[str, Response] = field(factory=dict[str, Response])
    active: str | None = None
    voice: str | JsonObject | None = None
    """The voice that the session has spoken in: it is fixed from then on (§1.6)."""
    heard_ms: int | None = None
    """How much of what is playing now was heard, as last told; None when that is not known."""
    quiet_since: float | None = None
    """When the last response had been heard to its end; None while the user is not awaited."""
    _spoken_until: float = 0.0
    _gate: Gate = Gate.IDLE
    _audible: dict[str, dict[str, int]] = field(factory=dict[str, dict[str, int]])

    def _move(self, moved_by: GateInput) -> bool:
        after = advance(GATES, self._gate, moved_by)
        self._gate = after or self._gate
        return after is not None

    def ask(self) -> None:
        """Let the client's `response.create` in, or refuse it: one at a time (§3.4)."""
        if not self._move(GateInput.CREATE):
            raise RefusedError(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self.active}. "
                "Wait until the response is finished before creating a new one.",
            )
        self._move(GateInput.CREATED)

    def open(
        self, session: JsonObject, options: JsonObject, items: tuple[JsonObject, ...] | None
    ) -> list[EngineRequest]:
        """Begin a response that the gate let in, or one outside the conversation.

        `items` is its input, None the default conversation as far as the model can take it.
        """
        response_id = self._outbox.ids("resp")
        out_of_band = options.get("conversation") == "none"
        shown = new_response(
            response_id=response_id,
            conversation_id=None if out_of_band else self._conversation.id,
            session=session,
            options=options,
        )
        settings = {**session, **options}
        response = Response(shown, settings["tools"], self._outbox, self._conversation)
        self.running[response_id] = response
        if not out_of_band:
            self.active = response_id
            self.quiet_since = None
        self._outbox.say("response.created", response=shown)
        seen = self._seen(session["truncation"]) if items is None else items
        if seen is None:
            self.finish(response, "failed", _TOO_LONG)
            return []
        return [_request(shown, settings, seen)]

    def _seen(self, truncation: Any) -> tuple[JsonObject, ...] | None:
        said = [i for i in self._conversation.items if i.get("status") != "in_progress"]
        lengths_ms = {**self._conversation.heard, **self._conversation.produced}
        return self._context.fit(said, lengths_ms, truncation)

    def answer_turn(self, session: JsonObject) -> list[EngineRequest]:
        """Respond to a committed turn by itself; not while another response is active (§1.6)."""
        self._move(GateInput.COMMITTED)
        if self._gate is not Gate.SERVER_EXPECTED:
            return []
        self._move(GateInput.CREATED)
        return self.open(session, {}, None)

    def say_audio(self, response: Response, message: Message, audio: bytes, ms: int) -> None:
        """Send or play audio of an open message, and count it."""
        self.voice = self.voice or response.shown["audio"]["output"]["voice"]
        self._conversation.hear(message.item, ms)
        if not self.plays:
            self._spoken_until = max(self.now, self._spoken_until) + ms / 1000
            response.say_audio(message, audio)
            return
        if response.id not in self._audible:
            self._audible[response.id] = {}
            self._outbox.say("output_audio_buffer.started", response_id=response.id)
        heard = self._audible[response.id]
        heard[message.item["id"]] = heard.get(message.item["id"], 0) + ms

    def finish(
        self,
        response: Response,
        status: str,
        details: JsonObject | None = None,
        usage: JsonObject | None = None,
    ) -> None:
        """End a response, and free the gate if it held it."""
        response.finish(status, details, usage)
        del self.running[response.id]
        if response.id == self.active:
            self._move(GateInput.DONE)
            self.active = None
            self._fall_quiet()
        tokens = (usage or {}).get("total_tokens")
        if left := self._limits.spend(tokens if isinstance(tokens, int) else 0, self.now):
            self._outbox.say("rate_limits.updated", rate_limits=left)

    def _fall_quiet(self) -> None:
        """If nobody is heard any more, from now on or soon, the user is awaited (§1.6)."""
        if self.active is None and not self._audible:
            self.quiet_since = max(self.now, self._spoken_until)

    def cancel(self, response_id: str | None) -> list[EngineRequest]:
        """Stop a response for the client; without an id the active one (§3.5)."""
        if response_id in (None, self.active) and not self._move(GateInput.CANCEL):
            raise _not_active()
        response = self.running.get((self.active or "") if response_id is None else response_id)
        if response is None:
            raise _not_active()
        self._spoken_until = self.now  # whoever cancels stops listening
        return self._stop(response, CLIENT_CANCELLED)

    def _stop(self, response: Response, details: JsonObject) -> list[EngineRequest]:
        self.finish(response, "cancelled", details)
        return [ResponseStopped(response_id=response.id)]

    def interrupt(self) -> list[EngineRequest]:
        """The user speaks: stop the active response and whatever is audible (§3.6)."""
        requests: list[EngineRequest] = []
        for response in tuple(self.running.values()):
            if response.id == self.active or response.id in self._audible:
                requests += self._stop(response, TURN_DETECTED)
        return requests + self.silence()

    def silence(self) -> list[EngineRequest]:
        """Throw away what is not yet played, and cut the items where they were heard."""
        requests: list[EngineRequest] = []
        for response_id, items in self._audible.items():
            self._outbox.say("output_audio_buffer.cleared", response_id=response_id)
            self._cut(items)
            self.heard_ms = 0  # what is queued behind it was not heard at all
            requests.append(PlaybackCleared(response_id=response_id))
        self._audible.clear()
        if requests:
            self._fall_quiet()
        return requests

    def _cut(self, items: dict[str, int]) -> None:
        """Truncate the item being played and those behind it; None heard means all was."""
        heard = sum(items.values()) if self.heard_ms is None else self.heard_ms
        last = next(reversed(items))
        for item_id, ms in items.items():
            if heard >= ms and item_id != last:
                heard -= ms
                continue
            produced = self._conversation.produced.get(item_id)
            if produced is not None:
                self._conversation.truncate(item_id, min(heard, produced))
            heard = 0

    def played(self, response_id: str) -> None:
        """A response was played to its end."""
        if self._audible.pop(response_id, None) is not None:
            self._outbox.say("output_audio_buffer.stopped", response_id=response_id)
            self._fall_quiet()

    def close(self) -> list[EngineRequest]:
        """The client is gone: stop everything, say nothing."""
        requests: list[EngineRequest] = [ResponseStopped(response_id=r) for r in self.running]
        requests += [PlaybackCleared(response_id=r) for r in self._audible]
        self.running.clear()
        self._audible.clear()
        self.active = self.quiet_since = None
        return requests

    def forget(self, item_id: str) -> None:
        """An item was deleted; its id may be used anew."""
        self._context.forget(item_id)


def _not_active() -> RefusedError:
    message = "Cancellation failed: no active response found"
    return RefusedError("response_cancel_not_active", message)


def _request(
    shown: JsonObject, settings: JsonObject, items: tuple[JsonObject, ...]
) -> ResponseRequested:
    return ResponseRequested(
        response_id=shown["id"],
        items=items,
        instructions=settings["instructions"],
        tools=tuple(settings["tools"]),
        tool_choice=settings["tool_choice"],
        output_modality=shown["output_modalities"][0],
    )
