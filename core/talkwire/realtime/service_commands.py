"""What a service does with each of the eleven client events: check, then change, then say.

A handler raises `RefusedError` before anything changed; the service turns that into an `error`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import define
from msgspec import UNSET, UnsetType

from .commands import (
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemRetrieve,
    ConversationItemTruncate,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    JsonObject,
    OutputAudioBufferClear,
    ResponseCancel,
    ResponseCreate,
    SessionUpdate,
)
from .engine import AudioReceived, ConfigurationChanged, EngineRequest, InputCleared
from .limits import MAX_APPEND
from .service_checks import RefusedError, refuse_depth
from .service_conversation import Conversation
from .service_floor import Floor
from .service_input import InputBuffer
from .service_items import audio_bytes, audio_ticks, checked_item, referenced, wire_item
from .service_outbox import Outbox
from .service_settings import default_session, response_options, started_session, updated_session

_Input = Callable[[Callable[[str], str]], JsonObject]


@define
class Books:
    """All a service knows."""

    outbox: Outbox
    session: JsonObject
    conversation: Conversation
    input: InputBuffer
    floor: Floor

    def fresh(self, kind: str) -> str:
        """A new id that no client has given to anything."""
        made = self.outbox.ids(kind)
        while made in self.conversation:
            made = self.outbox.ids(kind)
        return made


def open_books(
    *, plays: bool, settings: JsonObject, ids: Callable[[str], str], expires_at: int
) -> Books:
    """The books of a new session, its `session.created` queued. Raises `RefusedError`."""
    outbox = Outbox(ids)
    defaults = default_session(session_id=ids("sess"), expires_at=expires_at)
    session = started_session(defaults, settings)
    conversation = Conversation(ids("conv"), outbox)
    outbox.say("session.created", session=session)
    return Books(
        outbox=outbox,
        session=session,
        conversation=conversation,
        input=InputBuffer(outbox, conversation),
        floor=Floor(outbox, conversation, plays),
    )


def _update_session(books: Books, command: SessionUpdate) -> list[EngineRequest]:
    refuse_depth(command.session, "session")
    books.session = updated_session(books.session, command.session, spoke=books.floor.spoke)
    if books.session["audio"]["input"]["turn_detection"] is None:
        books.input.forget_speech()
    books.outbox.say("session.updated", session=books.session)
    return [ConfigurationChanged(session=books.session)]


def _append(books: Books, command: InputAudioBufferAppend) -> list[EngineRequest]:
    if len(command.audio) > MAX_APPEND:
        message = f"Invalid 'audio': string too long. Expected at most {MAX_APPEND} characters."
        raise RefusedError("string_above_max_length", message, "audio")
    size = audio_bytes(command.audio, "audio")
    books.input.add(audio_ticks(size, books.session["audio"]["input"]["format"]))
    return [AudioReceived(audio=command.audio)]


def _commit(books: Books, command: InputAudioBufferCommit) -> list[EngineRequest]:
    books.input.check_commit()
    return books.input.commit(books.fresh("item"))


def _clear_input(books: Books, command: InputAudioBufferClear) -> list[EngineRequest]:
    books.input.clear()
    books.outbox.say("input_audio_buffer.cleared")
    return [InputCleared()]


def _clear_output(books: Books, command: OutputAudioBufferClear) -> list[EngineRequest]:
    if not books.floor.plays:
        message = "Invalid value: 'output_audio_buffer.clear' is for WebRTC and SIP only."
        raise RefusedError("invalid_value", message, "type")
    return books.floor.silence()


def _create_item(books: Books, command: ConversationItemCreate) -> list[EngineRequest]:
    refuse_depth(command.item, "item")
    place = books.conversation.place(_given(command.previous_item_id))
    given = checked_item(command.item, "item")
    books.conversation.check_new(given, *books.input.reserved)
    item = wire_item(given, books.fresh)
    books.conversation.add(item, place)
    books.conversation.finish(item, item)
    return []


def _retrieve_item(books: Books, command: ConversationItemRetrieve) -> list[EngineRequest]:
    item = books.conversation.get(
        command.item_id, verb="retrieving item", code="item_retrieve_invalid_item_id"
    )
    books.outbox.say("conversation.item.retrieved", item=item)
    return []


def _truncate_item(books: Books, command: ConversationItemTruncate) -> list[EngineRequest]:
    item_id, end_ms = command.item_id, command.audio_end_ms
    books.conversation.get(item_id, verb="truncating item", code="item_truncate_invalid_item_id")
    produced = books.conversation.produced.get(item_id)
    if produced is None:
        message = "Only model output audio messages can be truncated"
        raise RefusedError("unsupported_content_type", message)
    if command.content_index != 0:
        message = f"Invalid value: '{command.content_index}'. Supported values are: '0'."
        raise RefusedError("invalid_value", message, "content_index")
    if end_ms < 0:
        message = f"Invalid 'audio_end_ms': expected a value >= 0, but got {end_ms} instead."
        raise RefusedError("integer_below_min_value", message, "audio_end_ms")
    if end_ms > produced:
        message = f"Audio content of {produced}ms is already shorter than {end_ms}ms"
        raise RefusedError("invalid_value", message, "audio_end_ms")
    books.conversation.truncate(item_id, end_ms)
    return []


def _delete_item(books: Books, command: ConversationItemDelete) -> list[EngineRequest]:
    books.conversation.get(
        command.item_id, verb="deleting item", code="item_delete_invalid_item_id"
    )
    books.conversation.remove(command.item_id)
    books.input.forget_words(command.item_id)
    books.outbox.say("conversation.item.deleted", item_id=command.item_id)
    return []


def _create_response(books: Books, command: ResponseCreate) -> list[EngineRequest]:
    given = {} if command.response is UNSET else command.response
    refuse_depth(given, "response")
    options = response_options(given, conversation_id=books.conversation.id)
    given_items = _input_items(books, options["input"]) if "input" in options else None
    if not command.out_of_band:
        books.floor.ask()
    items = None if given_items is None else tuple(item(books.fresh) for item in given_items)
    return [books.floor.open(books.session, options, items)]


def _input_items(books: Books, given: list[JsonObject]) -> list[_Input]:
    """What a response shall see, checked; the ids that are missing are made later."""
    return [_input_item(books, item, f"response.input[{i}]") for i, item in enumerate(given)]


def _input_item(books: Books, item: JsonObject, param: str) -> _Input:
    item_id = referenced(item, param)
    if item_id is None:
        return partial(wire_item, checked_item(item, param))
    found = books.conversation.get(
        item_id, verb="reading input", code="invalid_value", param=f"{param}.id"
    )
    return lambda fresh: found


def _cancel_response(books: Books, command: ResponseCancel) -> list[EngineRequest]:
    return books.floor.cancel(_given(command.response_id))


def _given(value: str | UnsetType | None) -> str | None:
    return None if value is UNSET else value


HANDLERS: dict[str, Callable[[Books, Any], list[EngineRequest]]] = {
    "session.update": _update_session,
    "input_audio_buffer.append": _append,
    "input_audio_buffer.commit": _commit,
    "input_audio_buffer.clear": _clear_input,
    "output_audio_buffer.clear": _clear_output,
    "conversation.item.create": _create_item,
    "conversation.item.retrieve": _retrieve_item,
    "conversation.item.truncate": _truncate_item,
    "conversation.item.delete": _delete_item,
    "response.create": _create_response,
    "response.cancel": _cancel_response,
}
