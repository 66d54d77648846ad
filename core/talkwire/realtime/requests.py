"""What you ask for: checked, then written into the books, then queued; never half of it.

One function per command that needs more than being sent, in one table. Each raises
LocalProtocolError for what cannot be obeyed, and has then changed nothing.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import msgspec
from attrs import evolve

from ..errors import LocalProtocolError
from ..timers import Timer
from . import commands as c
from . import translation as t
from .books import Books, labelled
from .calls import Respond
from .json_values import JsonObject
from .kind import VOCABULARIES, AnyCommand
from .limits import ITEM_ID, MAX_APPEND_BYTES, MAX_EVENT_ID, MIN_COMMIT_MS, excess
from .mcp import McpBook
from .state import Gate
from .wire import audio_frame, encode_command

_NEVER = 2.0**53  # no number that means anything is larger
_APPENDS = (c.InputAudioBufferAppend, t.TranslationInputAudioBufferAppend)


def send(books: Books, command: AnyCommand) -> str:
    """Send anything on the wire; gives its `event_id`, "" for an append."""
    name = type(command).__name__
    _require_known(books, name, type(command))
    if isinstance(command, _APPENDS):
        command = evolve(command, audio=_check_audio(books, command.audio, name))
        _check_event_id(command, name)
        books.leave_audio(_encoded(books, command), len(command.audio))
        return ""
    _check_limits(command, name)
    event_id = _event_id(books, command, name)
    sender = _SENDERS.get(type(command), _send_plain)
    sender(books, evolve(command, event_id=event_id), event_id)
    return event_id


def send_text(books: Books, text: str, role: str, respond: bool) -> str:
    """Add a message and, with `respond`, ask for an answer; gives the item's `event_id`."""
    if role not in ("user", "system", "assistant"):
        raise LocalProtocolError(f"send_text: role {role!r} is not user, system or assistant")
    _require_known(books, "send_text", c.ConversationItemCreate)
    kind = "output_text" if role == "assistant" else "input_text"
    item: JsonObject = {
        "type": "message",
        "role": role,
        "content": [{"type": kind, "text": text}],
    }
    event_id = books.new_event_id()
    create_id = books.new_event_id(but=event_id)
    _send_item(books, c.ConversationItemCreate(event_id=event_id, item=item), event_id)
    if respond:
        books.want_response(c.ResponseCreate(), create_id)
    return event_id


def send_function_result(books: Books, call_id: str, output: str, respond: Respond | bool) -> str:
    """Answer a function call, once; gives the item's `event_id`."""
    _require_known(books, "send_function_result", c.ConversationItemCreate)
    _require_answerable(books, call_id, "send_function_result")
    policy = _policy(respond)
    item: JsonObject = {"type": "function_call_output", "call_id": call_id, "output": output}
    event_id = books.new_event_id()
    _send_item(books, c.ConversationItemCreate(event_id=event_id, item=item), event_id, policy)
    return event_id


def _policy(respond: Respond | bool) -> Respond:
    """The policy meant; its value, as written into a file, means it too."""
    if isinstance(respond, bool):
        return Respond.AUTO if respond else Respond.NEVER
    try:
        return Respond(respond)
    except ValueError as error:
        raise LocalProtocolError(f"send_function_result: respond: {error}") from error


def send_mcp_approval(
    books: Books, approval_request_id: str, approve: bool, reason: str | None
) -> str:
    """Answer a request for approval, once; gives the item's `event_id`."""
    _require_known(books, "send_mcp_approval", c.ConversationItemCreate)
    _require_approvable(books, approval_request_id, "send_mcp_approval")
    item: JsonObject = {
        "type": "mcp_approval_response",
        "approval_request_id": approval_request_id,
        "approve": approve,
    }
    if reason is not None:
        item["reason"] = reason
    event_id = books.new_event_id()
    _send_item(books, c.ConversationItemCreate(event_id=event_id, item=item), event_id)
    return event_id


def session_update(books: Books, patch: JsonObject) -> str:
    """Patch the configuration by what is not so already; gives the `event_id`."""
    require_open(books, "session_update")
    event_id, settings = books.new_event_id(), books.settings
    kind = books.vocabulary.update_type
    whole = patch if kind is None else {"type": kind, **patch}
    settings.check(whole, spoke=books.playback.spoke)
    update = c.SessionUpdate(session=whole)
    _encoded(books, update)
    _check_limits(update, "session_update")
    typed = {key: value for key, value in whole.items() if key == "type"}
    changes = {**typed, **settings.difference(whole)}
    _send_plain(books, c.SessionUpdate(event_id=event_id, session=changes), event_id)
    settings.ask(whole, changes, event_id)
    return event_id


def append(books: Books, audio: object) -> None:
    """Append audio to the service's input buffer, whatever holds it."""
    require_open(books, "send_audio")
    checked = _check_audio(books, audio, "send_audio")
    books.leave_audio(audio_frame(VOCABULARIES[books.kind].append, checked), len(checked))


def _check_audio(books: Books, audio: object, call: str) -> bytes:
    """Audio as bytes, whatever holds it: how many there are is then its length."""
    if not books.plane.carries_audio:
        raise LocalProtocolError(f"{call}: no audio passes on the {books.plane.name} plane")
    if isinstance(audio, memoryview):
        audio = audio.tobytes()
    if not isinstance(audio, bytes | bytearray):
        raise LocalProtocolError(f"{call} takes audio as bytes, not {type(audio).__name__}")
    if len(audio) > MAX_APPEND_BYTES:
        raise LocalProtocolError(
            f"{call}: {len(audio)} bytes of audio at once; the limit is {MAX_APPEND_BYTES}"
        )
    return bytes(audio)


def report_playback(books: Books, item_id: str, content_index: int, played_ms: float) -> None:
    """Take down how much of a spoken item was heard."""
    require_open(books, "report_playback")
    played_ms = whole_ms(played_ms, "report_playback")
    content_index = _index(content_index, "report_playback")
    if not isinstance(item_id, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise LocalProtocolError(f"report_playback: item id {item_id!r:.40} is not text")
    try:
        item_id.encode()
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"report_playback: item id {item_id!r} is not Unicode") from error
    books.playback.report(item_id, content_index, played_ms)


def cancel(books: Books) -> str | None:
    """Stop what is running, or on its way, and what is being played of it."""
    _require_known(books, "cancel", c.ResponseCancel)
    gate = books.gate
    response_id = gate.active if gate.state is Gate.ACTIVE else None
    event_id = None if response_id is None else books.cancel(response_id)
    gate.cancel()
    if books.playback.playing is not None and not books.plane.carries_audio:
        send(books, c.OutputAudioBufferClear())
    books.cut_playing()
    return event_id


# -- checks


def whole_ms(ms: object, call: str) -> int:
    """A time as a player counts it: rounded down, and never before the beginning."""
    if isinstance(ms, int | float) and not isinstance(ms, bool) and abs(ms) < _NEVER:
        return max(0, int(ms))
    raise LocalProtocolError(f"{call}: a time in ms is a number, and a finite one")


def _index(content_index: object, call: str) -> int:
    if type(content_index) is int and 0 <= content_index < _NEVER:
        return content_index
    raise LocalProtocolError(f"{call}: content_index is not the number of a content part")


def require_open(books: Books, call: str) -> None:
    """Raise unless commands make sense in this phase."""
    if not books.takes_commands:
        raise LocalProtocolError(f"{call} is not legal when the session is {books.phase.value}")


def _require_known(books: Books, call: str, command: type[Any]) -> None:
    """Raise unless this command makes sense, in this phase and in this kind of session."""
    require_open(books, call)
    if command not in books.vocabulary.commands:
        raise LocalProtocolError(f"{call} is not legal in a {books.kind.value} session")


def _require_answerable(books: Books, call_id: str, call: str) -> None:
    if books.calls.can_answer(call_id):
        return
    record = books.calls.get(call_id)
    state = "not known" if record is None else record.state.value
    state = "outside the conversation" if record is not None and record.out_of_band else state
    raise LocalProtocolError(f"{call} is not legal: function call {call_id!r} is {state}")


def _require_approvable(books: Books, request_id: str, call: str) -> McpBook:
    mcp = books.mcp or McpBook()
    if not mcp.can_answer(request_id):
        approval = mcp.approvals.get(request_id)
        state = "not known" if approval is None else approval.state.value
        raise LocalProtocolError(f"{call} is not legal: request {request_id!r} is {state}")
    return mcp


def _check_event_id(command: AnyCommand, call: str) -> None:
    given = command.event_id
    if given is not msgspec.UNSET and not 0 < len(given) <= MAX_EVENT_ID:
        raise LocalProtocolError(f"{call}: event_id must have 1 to {MAX_EVENT_ID} characters")


def _event_id(books: Books, command: AnyCommand, call: str) -> str:
    """The event id given, checked, or a new one."""
    given = command.event_id
    if given is msgspec.UNSET:
        return books.new_event_id()
    _check_event_id(command, call)
    if given in books.pending:
        raise LocalProtocolError(f"{call}: event_id {given!r} is on its way already")
    return given


def _check_limits(command: AnyCommand, call: str) -> None:
    beyond = excess(command)
    if beyond is not None:
        raise LocalProtocolError(f"{call}: {beyond}")


def _encoded(books: Books, command: AnyCommand) -> str:
    name, limit = type(command).__name__, books.plane.max_frame_bytes
    try:
        frame = encode_command(command, books.dialect)
    except (TypeError, ValueError, RecursionError) as error:
        raise LocalProtocolError(f"{name} cannot be written as JSON: {error}") from error
    if limit is not None and len(frame) * 4 > limit and len(frame.encode()) > limit:
        size, plane = len(frame.encode()), books.plane.name
        raise LocalProtocolError(f"{name}: {size} bytes; the limit of the {plane} plane is {limit}")
    return frame


# -- one per command


def _send_plain(books: Books, command: AnyCommand, event_id: str) -> None:
    frame = _encoded(books, command)
    books.pending.add(event_id, command)
    books.leave(command.type, frame)


def _update(books: Books, command: c.SessionUpdate, event_id: str) -> None:
    books.settings.check(command.session, spoke=books.playback.spoke)
    _send_plain(books, command, event_id)
    books.settings.ask(command.session, command.session, event_id)


def _commit(books: Books, command: c.InputAudioBufferCommit, event_id: str) -> None:
    """What is too short to be a turn can be known where the audio passes (§3.10)."""
    per_ms, appended = books.settings.input_bytes_per_ms, books.appended_bytes
    if books.plane.carries_audio and appended < MIN_COMMIT_MS * per_ms:
        raise LocalProtocolError(
            f"InputAudioBufferCommit: {appended // per_ms} ms of audio since the last one; "
            f"the least is {MIN_COMMIT_MS} ms"
        )
    _empty(books, command, event_id)


def _empty(books: Books, command: AnyCommand, event_id: str) -> None:
    _send_plain(books, command, event_id)
    books.appended_bytes = 0


def _clear_output(books: Books, command: c.OutputAudioBufferClear, event_id: str) -> None:
    """Never to leave where the service plays nothing (§1.3)."""
    if books.plane.carries_audio:
        name = books.plane.name
        raise LocalProtocolError(f"OutputAudioBufferClear: the {name} plane's player is yours")
    _send_plain(books, command, event_id)


def _truncate(books: Books, command: c.ConversationItemTruncate, event_id: str) -> None:
    command = evolve(
        command,
        audio_end_ms=whole_ms(command.audio_end_ms, "ConversationItemTruncate"),
        content_index=_index(command.content_index, "ConversationItemTruncate"),
    )
    received = books.playback.received_ms(command.item_id, command.content_index)
    if books.plane.carries_audio:
        if received is None:
            raise LocalProtocolError(
                f"ConversationItemTruncate: no audio was received for {command.item_id!r}"
            )
        played = books.playback.played_ms(command.item_id, command.content_index)
        heard = received if played is None else min(played, received)
        command = evolve(command, audio_end_ms=min(command.audio_end_ms, heard))
    _send_plain(books, command, event_id)
    books.playback.stop(command.item_id, command.content_index)


def _send_item(
    books: Books, command: c.ConversationItemCreate, event_id: str, respond: Respond = Respond.NEVER
) -> None:
    item = {"id": books.new_item_id(), **command.item}
    call_id, kind = str(item.get("call_id", "")), item.get("type")
    if not isinstance(item["id"], str) or not ITEM_ID.fullmatch(item["id"]):
        raise LocalProtocolError(
            f"ConversationItemCreate: item id {item['id']!r} is not 1 to 32 of a-z A-Z 0-9 _ -"
        )
    if kind == "function_call_output":
        _require_answerable(books, call_id, "function_call_output")
    elif kind == "function_call" and not call_id:
        raise LocalProtocolError("ConversationItemCreate: a function_call needs a call_id")
    request_id = str(item.get("approval_request_id", ""))
    mcp = _require_approvable(books, request_id, kind) if kind == "mcp_approval_response" else None
    _send_plain(books, evolve(command, item=item), event_id)
    if mcp is not None:
        mcp.answer(request_id)
    if kind == "function_call_output":
        books.calls.answer(call_id, respond=respond)
        books.timers.until(Timer.TOOL, books.calls.next_due)
        books.follow_up(books.calls[call_id].batch)
    elif kind == "function_call":
        books.calls.adopt(call_id, name=str(item.get("name", "")))


def _create_response(books: Books, command: c.ResponseCreate, event_id: str) -> None:
    _encoded(books, labelled(command, event_id))
    command = deepcopy(command)  # it may wait, and what was checked is what shall leave
    if command.out_of_band:
        _send_plain(books, labelled(command, event_id), event_id)
    else:
        books.want_response(command, event_id)


def _cancel_response(books: Books, command: c.ResponseCancel, event_id: str) -> None:
    _encoded(books, command)
    if command.response_id in (msgspec.UNSET, books.gate.active):
        response_id = books.gate.cancel(ours=False) if books.gate.active else None
        if response_id is None:
            state = books.gate.state.value
            raise LocalProtocolError(f"ResponseCancel is not legal when the gate is {state}")
        command = evolve(command, response_id=response_id)
    _send_plain(books, command, event_id)


_SENDERS: dict[type[Any], Callable[..., None]] = {
    c.SessionUpdate: _update,
    c.InputAudioBufferCommit: _commit,
    c.InputAudioBufferClear: _empty,
    c.OutputAudioBufferClear: _clear_output,
    c.ConversationItemCreate: _send_item,
    c.ConversationItemTruncate: _truncate,
    c.ResponseCreate: _create_response,
    c.ResponseCancel: _cancel_response,
}
