"""What a session does about each event of the service: books first, then what follows from them.

One function per wire type, in three tables by how far a type reaches: `QUIET` events only add to
what was said, `ITEMS` change the conversation and its calls, `MOVES` may move a lifecycle or let
something leave. A type that is in none changes nothing. Legality is in `state.py`, bookkeeping in
the books; this file only says who hears what.
"""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from ..timers import Timer
from . import events as e
from . import translation as t
from .advice import Advice
from .books import CLIENT_EVENT_ID, Books
from .call_claims import (
    claimed_by_arguments,
    claimed_by_item,
    claimed_by_output,
    claimed_by_response,
)
from .classify import ErrorClass, blocker, classify
from .clock import tell_end
from .events import ErrorDetails
from .happenings import Anomaly, ConfigurationDrift, ConfigurationLost, Event, Outcome
from .items import Response
from .limits import MIN_COMMIT_MS
from .mcp_reactions import MCP_EVENTS, mcp_item, mcp_response
from .playback import PCM16_BYTES_PER_MS
from .state import PHASES, CallInput, PhaseInput, advance
from .transcript import WORDS

Reaction = Callable[[Books, Any, list[Event]], None]


_SERVER_RESPONSE = Timer.SERVER_RESPONSE  # a look-up at every turn saved

PHASE_INPUTS: dict[type[Any], PhaseInput] = {
    e.SessionCreated: PhaseInput.CREATED,
    e.SessionUpdated: PhaseInput.UPDATED,
    t.TranslationSessionClosed: PhaseInput.CLOSED,
}


# -- the session


def _configured(
    books: Books, event: e.SessionCreated | e.SessionUpdated, events: list[Event]
) -> None:
    settings, before = books.settings, books.settings.drift
    expires_at = settings.confirm(event.session, books.pending.answered_by(event))
    tell_end(books, expires_at)
    if settings.drift and settings.drift != before:
        events.append(ConfigurationDrift(paths=tuple(settings.drift)))
    books.playback.bytes_per_ms = settings.output_bytes_per_ms
    if not books.service_responds:
        books.gate.quiet()


def _error(books: Books, event: e.ErrorEvent, events: list[Event]) -> None:
    error, kind = event.error, classify(event.error)
    event_id = error.event_id or ""
    unnamed = not error.event_id and kind is ErrorClass.GATE
    if books.gate.owns(event_id) or (unnamed and books.gate.on_its_way):
        if kind is ErrorClass.GATE:
            books.settle(books.gate.refused(blocker(error)), events)
        else:
            books.settle(books.gate.failed(), events, Outcome.FAILED, error)
    elif books.gate.waits(event_id):
        events.append(Anomaly(type=event.type, reason=f"{event_id} has not left yet"))
    elif event_id in books.pending:
        _command_failed(books, event_id, error, events)
    if kind in (ErrorClass.FATAL, ErrorClass.SESSION_OVER):
        books.phase = advance(PHASES, books.phase, PhaseInput.FATAL) or books.phase


def _command_failed(books: Books, event_id: str, error: ErrorDetails, events: list[Event]) -> None:
    sent = books.pending.get(event_id)
    if _cancels(books, event_id, books.gate.active) and classify(error) is ErrorClass.BENIGN:
        books.settle(books.gate.not_active(), events)
    if sent is not None and books.calls.can(sent.call_id, CallInput.REFUSED):
        books.calls.refused(sent.call_id)
    if sent is not None and sent.type == "input_audio_buffer.commit":
        books.appended_bytes += MIN_COMMIT_MS * PCM16_BYTES_PER_MS  # nobody knows what is left
    if sent is not None and books.mcp is not None:
        books.mcp.refused(sent.approval_request_id)
    books.settle([event_id], events, Outcome.FAILED, error)
    lost = books.settings.refused(event_id)
    if lost is not None:
        events.append(
            ConfigurationLost(
                event_id=event_id, patch=lost, param=error.param, message=error.message
            )
        )


def _ended(books: Books, event: t.TranslationSessionClosed, events: list[Event]) -> None:
    """The phase has moved, and the close that this answers is settled: there is no more to it."""


# -- responses


def _response_created(books: Books, event: e.ResponseCreated, events: list[Event]) -> None:
    response, gate = event.response, books.gate
    if gate.is_open(response.id):
        events.append(Anomaly(type=event.type, reason=f"{response.id} is running already"))
        return
    if gate.has_ended(response.id):
        events.append(Anomaly(type=event.type, reason=f"{response.id} has ended already"))
        return
    ours = response.labels.get(CLIENT_EVENT_ID)
    beside = books.pending.out_of_band()
    if response.out_of_band or ours in beside:  # clones leave `conversation_id` out
        gate.created_out_of_band(response.id, ours)
        books.settle([ours] if ours in beside else beside[:1] if ours is None else [], events)
        return
    if gate.active is not None:
        reason = f"{response.id} began before {gate.active} ended"
        events.append(Anomaly(type=event.type, reason=reason))
    books.settle(gate.created(response.id, ours), events)
    if gate.is_cancelled(response.id):
        books.interrupt(response.id, events)  # it was stopped before it began (§3.5)


def _response_done(books: Books, event: e.ResponseDone, events: list[Event]) -> None:
    response = event.response
    response_id = response.id or books.gate.active or ""
    events += claimed_by_response(books, response, event.type)
    mcp_response(books, event, events)
    events += books.calls.response_done(response_id, completed=response.status == "completed")
    if response.status == "cancelled":
        books.interrupt(response_id, events)
    _account(books, response, events)
    ours = response.labels.get(CLIENT_EVENT_ID) if books.gate.on_its_way else None
    books.settle(books.gate.done(response_id, ours), events)
    cancels = books.pending.of("response.cancel")
    if cancels:
        books.settle([i for i in cancels if _cancels(books, i, response_id)], events)
    books.follow_up(response_id)


def _account(books: Books, response: Response, events: list[Event]) -> None:
    books.counted().count(response.id, response.tokens)
    if books.advice is None:
        if response.status != "failed":
            return  # there is nothing to count yet, as good as always
        books.advice = Advice()
    advised = books.advice.ended(response)
    if advised is not None:
        events.append(advised)


def _cancels(books: Books, event_id: str, response_id: str | None) -> bool:
    sent = books.pending.get(event_id)
    return sent is not None and sent.type == "response.cancel" and sent.about == response_id


# -- items


def _output_item(
    books: Books, event: e.ResponseOutputItemAdded | e.ResponseOutputItemDone, events: list[Event]
) -> None:
    item, response_id, gate = event.item, event.response_id, books.gate
    beside = response_id != gate.active and gate.is_out_of_band(response_id)
    if not (beside or response_id == gate.active or books.plane.trusted):
        reason = f"item {item.id} of a response that is not running"
        events.append(Anomaly(type=event.type, reason=reason))
        return
    if not beside:
        books.conversation.update(item, response_id)
    if item.type == "function_call":
        events += claimed_by_output(books, item, response_id, event.type)
    elif item.type.startswith("mcp_"):
        mcp_item(books, item, event, events, final=isinstance(event, e.ResponseOutputItemDone))


def _arguments_done(
    books: Books, event: e.ResponseFunctionCallArgumentsDone, events: list[Event]
) -> None:
    events += claimed_by_arguments(books, event)


def _item_added(
    books: Books, event: e.ConversationItemAdded | e.ConversationItemCreated, events: list[Event]
) -> None:
    books.conversation.place(event.item.id, event.previous_item_id)
    books.conversation.update(event.item)
    books.gate.acknowledged(event.item.id)
    if event.item.type.startswith("mcp_"):
        mcp_item(books, event.item, event, events, final=False)


def _item_done(books: Books, event: e.ConversationItemDone, events: list[Event]) -> None:
    item = books.conversation.get(event.item.id)
    if item is not None and not item.placed:  # a clone that tells only the end of its items
        books.conversation.place(event.item.id, UNSET)
    books.conversation.update(event.item)
    if event.item.type == "function_call":
        events += claimed_by_item(books, event.item, event.type)
    elif event.item.type.startswith("mcp_"):
        mcp_item(books, event.item, event, events, final=books.plane.trusted)


def _item_retrieved(books: Books, event: e.ConversationItemRetrieved, events: list[Event]) -> None:
    books.conversation.update(event.item, again=True)


def _item_truncated(books: Books, event: e.ConversationItemTruncated, events: list[Event]) -> None:
    item = books.conversation.get(event.item_id)
    if item is not None:
        item.audio_end_ms = max(0, event.audio_end_ms)
        item.audio_ms = books.playback.received_ms(event.item_id, event.content_index)


def _item_deleted(books: Books, event: e.ConversationItemDeleted, events: list[Event]) -> None:
    books.conversation.delete(event.item_id)
    books.playback.delete(event.item_id)


# -- audio


def _audio(books: Books, event: e.ResponseOutputAudioDelta) -> None:
    part = books.playback.receive(event.item_id, event.content_index, len(event.delta))
    if not part.response_id:
        part.response_id = event.response_id
        part.out_of_band = books.gate.is_out_of_band(event.response_id)


def _committed(books: Books, event: e.InputAudioBufferCommitted, events: list[Event]) -> None:
    item = books.conversation.place(event.item_id, event.previous_item_id)
    item.role = "user"
    if books.pending.is_turn(event) or not books.pending.of("input_audio_buffer.commit"):
        _turn_ended(books)
    else:
        books.playback.user_speaks = False
        books.gate.quiet()


def _speech_started(
    books: Books, event: e.InputAudioBufferSpeechStarted, events: list[Event]
) -> None:
    """Where we own the playback, speech stops it and cuts the item at what was heard."""
    books.pending.turn = event.item_id
    books.playback.user_speaks = True
    if books.service_responds:
        books.gate.speech(True)
    if not books.settings.speech_interrupts:
        return
    cut = books.cut_playing()
    if cut is None and books.plane.carries_audio:
        cut = books.playback.stop_unreported()
    if cut is not None:
        books.interrupt(cut.response_id, events, cut)


def _speech_stopped(
    books: Books,
    event: e.InputAudioBufferSpeechStopped | e.InputAudioBufferTimeoutTriggered,
    events: list[Event],
) -> None:
    books.pending.turn = event.item_id
    _turn_ended(books)


def _turn_ended(books: Books) -> None:
    books.playback.user_speaks = False
    if books.service_responds:
        books.timers.stop(_SERVER_RESPONSE)  # each turn has its own deadline
        books.gate.speech(False)


def _input_cleared(books: Books, event: e.InputAudioBufferCleared, events: list[Event]) -> None:
    books.playback.user_speaks = False
    books.gate.quiet()


def _playing(books: Books, event: e.OutputAudioBufferStarted, events: list[Event]) -> None:
    books.playback.play(event.response_id)


def _played(books: Books, event: e.OutputAudioBufferStopped, events: list[Event]) -> None:
    books.playback.playing = None
    # A clear that finds nothing to clear is not answered: this was its answer.
    if books.pending.clears:
        books.settle(books.pending.of("output_audio_buffer.clear"), events)


def _cleared(books: Books, event: e.OutputAudioBufferCleared, events: list[Event]) -> None:
    books.playback.playing = None
    books.interrupt(event.response_id, events)
    books.settle(books.pending.of("output_audio_buffer.clear"), events)


QUIET: dict[type[Event], Callable[[Books, Any], None]] = {
    **WORDS,
    e.ResponseOutputAudioDelta: _audio,
}
ITEMS: dict[type[Event], Reaction] = {
    e.ResponseOutputItemAdded: _output_item,
    e.ResponseOutputItemDone: _output_item,
    e.ResponseFunctionCallArgumentsDone: _arguments_done,
    e.ConversationItemAdded: _item_added,
    e.ConversationItemCreated: _item_added,
    e.ConversationItemDone: _item_done,
    e.ConversationItemRetrieved: _item_retrieved,
    e.ConversationItemTruncated: _item_truncated,
    e.ConversationItemDeleted: _item_deleted,
    **MCP_EVENTS,
}
MOVES: dict[type[Event], Reaction] = {
    e.SessionCreated: _configured,
    e.SessionUpdated: _configured,
    e.ErrorEvent: _error,
    e.ResponseCreated: _response_created,
    e.ResponseDone: _response_done,
    e.InputAudioBufferCommitted: _committed,
    e.InputAudioBufferSpeechStarted: _speech_started,
    e.InputAudioBufferSpeechStopped: _speech_stopped,
    e.InputAudioBufferTimeoutTriggered: _speech_stopped,
    e.InputAudioBufferCleared: _input_cleared,
    e.OutputAudioBufferStarted: _playing,
    e.OutputAudioBufferStopped: _played,
    e.OutputAudioBufferCleared: _cleared,
    t.TranslationSessionClosed: _ended,
}
