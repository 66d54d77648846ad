"""What a service does with each client event: check, then change, then say.

A handler raises `RefusedError` before anything changed; the service turns that into an `error`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec import UNSET, UnsetType

from .commands import (
    ConversationItemCreate,
    ConversationItemDelete,
    ConversationItemRetrieve,
    ConversationItemTruncate,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    OutputAudioBufferClear,
    ResponseCancel,
    ResponseCreate,
    SessionUpdate,
)
from .engine import AudioReceived, ConfigurationChanged, EngineRequest, InputCleared
from .json_values import JsonObject
from .limits import MAX_APPEND, MAX_APPEND_BYTES
from .service_books import Books
from .service_checks import RefusedError, refuse_depth
from .service_items import audio_ticks, checked_item, referenced, wire_item
from .service_schema import response_options
from .service_settings import check_voice, updated_session
from .translation import TranslationInputAudioBufferAppend, TranslationSessionClose

_Input = Callable[[Callable[[str], str]], JsonObject]


def _update_session(books: Books, command: SessionUpdate) -> list[EngineRequest]:
    refuse_depth(command.session, "session")
    books.session = updated_session(books.session, command.session, voice=books.floor.voice)
    if books.detection is None:
        books.input.forget_speech()
    books.outbox.say("session.updated", session=books.session)
    requests: list[EngineRequest] = [ConfigurationChanged(session=books.session)]
    return requests + books.mcp.list_tools(books.session.get("tools", []))


def _check_length(audio: bytes) -> None:
    """The limit is one of the wire, where audio is base64 (§3.10)."""
    if len(audio) > MAX_APPEND_BYTES:
        message = f"Invalid 'audio': string too long. Expected at most {MAX_APPEND} characters."
        raise RefusedError("string_above_max_length", message, "audio")


def _append(books: Books, command: InputAudioBufferAppend) -> list[EngineRequest]:
    _check_length(command.audio)
    audio_format = books.session["audio"]["input"]["format"]
    books.input.add(audio_ticks(len(command.audio), audio_format))
    return [AudioReceived(audio=command.audio)]


def _commit(books: Books, command: InputAudioBufferCommit) -> list[EngineRequest]:
    books.input.check_commit()
    return books.input.commit(books.conversation.fresh("item"))


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
    is_answer = given["type"] == "mcp_approval_response"
    if is_answer:
        books.mcp.check_answer(given)
    item = wire_item(given, books.conversation.fresh)
    books.conversation.add(item, place)
    books.conversation.finish(item, item)
    return [books.mcp.answer(item)] if is_answer else []


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
    for book in (books.input, books.mcp, books.floor):
        book.forget(command.item_id)
    books.outbox.say("conversation.item.deleted", item_id=command.item_id)
    return []


def _create_response(books: Books, command: ResponseCreate) -> list[EngineRequest]:
    given = {} if command.response is UNSET else command.response
    refuse_depth(given, "response")
    options = response_options(given, conversation_id=books.conversation.id)
    voice = options.get("audio", {}).get("output", {}).get("voice", books.floor.voice)
    if voice != books.floor.voice:
        check_voice("response.audio.output.voice", books.floor.voice)
    given_items = _input_items(books, options["input"]) if "input" in options else None
    if not command.out_of_band:
        books.floor.ask()
    fresh = books.conversation.fresh
    items = None if given_items is None else tuple(item(fresh) for item in given_items)
    requests = books.mcp.list_tools(options.get("tools", []))
    return requests + books.floor.open(books.session, options, items)


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


def _append_speech(books: Books, command: TranslationInputAudioBufferAppend) -> list[EngineRequest]:
    _check_length(command.audio)
    return books.translation.append(command.audio)


def _close_session(books: Books, command: TranslationSessionClose) -> list[EngineRequest]:
    return books.translation.close()


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
    "session.input_audio_buffer.append": _append_speech,
    "session.close": _close_session,
}
"""By type; which of them there are in a session, its kind says (`kind.VOCABULARIES`)."""
