"""The service's frames as short calls, and a session whose both ends the test plays."""

import json
from collections.abc import Sequence
from typing import Any, get_args

from talkwire import DIRECT, CommandSettled, Event, Outcome, Plane, Session
from talkwire.realtime.events import ServerEvent

Frame = dict[str, Any]
CONVERSATION = "conv_E6U0wZ7az3EZovEnFLqH4"
VAD = {"type": "server_vad", "create_response": True, "interrupt_response": True}


def text_of(frame: Frame) -> str:
    """A frame as the service writes it: `type` first, no spaces."""
    return json.dumps(frame, separators=(",", ":"))


def event(kind: str, **fields: Any) -> Frame:
    return {"type": kind, "event_id": f"event_{kind}", **fields}


# -- the session


def settings(
    *, vad: Frame | None = VAD, output: str = "audio/pcm", **session: Any
) -> dict[str, Any]:
    """An effective configuration as far as a session reads it."""
    audio = {"input": {"turn_detection": vad}, "output": {"format": {"type": output}}}
    return {"type": "realtime", "id": "sess_1", "audio": audio, **session}


def session_created(**how: Any) -> Frame:
    return event("session.created", session=settings(**how))


def session_updated(**how: Any) -> Frame:
    return event("session.updated", session=settings(**how))


def error(code: str | None, message: str = "No.", event_id: str | None = None) -> Frame:
    body = {"type": "invalid_request_error", "code": code, "message": message, "param": None}
    return event("error", error={**body, "event_id": event_id})


def already_active(event_id: str | None, blocker: str) -> Frame:
    words = f"Conversation already has an active response in progress: {blocker}. Wait until"
    return error("conversation_already_has_active_response", words, event_id)


# -- responses


def response_created(
    response_id: str, *, ours: str | None = None, out_of_band: bool = False
) -> Frame:
    """`ours` is the client event that the response echoes."""
    metadata = None if ours is None else {"client_event_id": ours}
    conversation = None if out_of_band else CONVERSATION
    response: Frame = {
        "id": response_id,
        "status": "in_progress",
        "output": [],
        "conversation_id": conversation,
        "metadata": metadata,
    }
    return event("response.created", response=response)


def response_done(
    response_id: str,
    status: str = "completed",
    *,
    reason: str | None = None,
    output: Sequence[Frame] = (),
) -> Frame:
    details = None if reason is None else {"type": status, "reason": reason}
    response = {"id": response_id, "status": status, "status_details": details}
    return event("response.done", response={**response, "output": list(output)})


def output_item(stage: str, response_id: str, item: Frame, index: int = 0) -> Frame:
    """`stage` is added or done."""
    kind = f"response.output_item.{stage}"
    return event(kind, response_id=response_id, output_index=index, item=item)


def text_delta(response_id: str, item_id: str, delta: str) -> Frame:
    return event(
        "response.output_text.delta",
        response_id=response_id,
        item_id=item_id,
        output_index=0,
        content_index=0,
        delta=delta,
    )


def transcript_delta(response_id: str, item_id: str, delta: str) -> Frame:
    kind = "response.output_audio_transcript.delta"
    return {**text_delta(response_id, item_id, delta), "type": kind}


def audio_delta(response_id: str, item_id: str, ms: int) -> Frame:
    """So many milliseconds of silence, as PCM at 24 kHz."""
    size = ms * 48
    silence = "A" * (size * 4 // 3)  # ms * 48 is a multiple of 3: no padding
    kind = "response.output_audio.delta"
    return {**text_delta(response_id, item_id, silence), "type": kind}


def playing(response_id: str, how: str) -> Frame:
    """`how` is started, stopped or cleared."""
    return event(f"output_audio_buffer.{how}", response_id=response_id)


# -- items


def message(
    item_id: str, role: str, words: str | None = None, *, status: str = "completed"
) -> Frame:
    kind = "output_text" if role == "assistant" else "input_text"
    content = [] if words is None else [{"type": kind, "text": words}]
    return {
        "id": item_id,
        "type": "message",
        "status": status,
        "role": role,
        "content": content,
    }


def call(
    call_id: str,
    arguments: str = "",
    *,
    item_id: str = "",
    name: str = "get_weather",
    status: str = "completed",
) -> Frame:
    """A function call's item; its id is made of the call's."""
    return {
        "id": item_id or f"item_{call_id}",
        "type": "function_call",
        "status": status,
        "name": name,
        "call_id": call_id,
        "arguments": arguments,
    }


def item_added(item: Frame, previous: str | None = None) -> Frame:
    return event("conversation.item.added", previous_item_id=previous, item=item)


def item_done(item: Frame, previous: str | None = None) -> Frame:
    return event("conversation.item.done", previous_item_id=previous, item=item)


def arguments_done(
    response_id: str,
    call_id: str,
    arguments: str = "{}",
    *,
    name: str = "get_weather",
    item_id: str = "",
) -> Frame:
    return event(
        "response.function_call_arguments.done",
        response_id=response_id,
        item_id=item_id or f"item_{call_id}",
        output_index=0,
        call_id=call_id,
        name=name,
        arguments=arguments,
    )


def announced(response_id: str, call_id: str, index: int = 0) -> list[Frame]:
    """The two frames with which a function call begins (§3.2)."""
    item = call(call_id, status="in_progress")
    return [output_item("added", response_id, item, index), item_added(item)]


def completed(response_id: str, call_id: str, arguments: str = "{}") -> list[Frame]:
    """The three frames with which a function call is whole (§3.2)."""
    item = call(call_id, arguments)
    return [
        arguments_done(response_id, call_id, arguments),
        item_done(item),
        output_item("done", response_id, item),
    ]


# -- the user's voice


def speech(stage: str, item_id: str) -> Frame:
    """`stage` is started or stopped."""
    return event(f"input_audio_buffer.speech_{stage}", item_id=item_id)


def committed(item_id: str, previous: str | None = None) -> Frame:
    return event("input_audio_buffer.committed", previous_item_id=previous, item_id=item_id)


# -- both ends


class Script:
    """A session, what it is told and what it says, one line each."""

    heard = 0

    def __init__(self, *, plane: Plane = DIRECT, fresh: bool = False, **how: Any) -> None:
        self.session = Session(plane=plane, now=0.0)
        if not fresh:
            self.hear(session_updated(**how))

    def hear(self, *frames: Frame, now: float = 0.0) -> list[Event]:
        """Hand frames of the service over; what came of them, the wire's own events included."""
        return [e for f in frames for e in self.session.receive(self._numbered(f), now=now)]

    def _numbered(self, frame: Frame) -> str:
        """With an id of its own, as the service gives one, where the test gave none."""
        self.heard += 1
        own = frame.get("event_id") != f"event_{frame['type']}"
        return text_of(frame if own else {**frame, "event_id": f"event_{self.heard}"})

    def tell(self, *frames: Frame, now: float = 0.0) -> list[Event]:
        """As `hear`, without the wire's own events."""
        return [e for e in self.hear(*frames, now=now) if not isinstance(e, _WIRE)]

    def sent(self) -> list[Frame]:
        """The frames queued since the last look."""
        frames: list[Frame] = []
        while (frame := self.session.next_frame()) is not None:
            frames.append(json.loads(frame))
        return frames

    def sent_types(self) -> list[str]:
        return [frame["type"] for frame in self.sent()]

    def say(self, words: str = "Hello.", now: float = 0.0) -> str:
        """Type something; the service acknowledges it. Returns the create's event_id, which has
        left when the gate was open."""
        self.sent()
        self.session.send_text(words, now=now)
        item, *create = self.sent()
        self.acknowledge(item)
        return str(create[0]["event_id"]) if create else ""

    def acknowledge(self, create: Frame) -> list[Event]:
        """The service's answer to a `conversation.item.create`."""
        return self.tell(item_added({"status": "completed", **create["item"]}))

    def begin(self, response_id: str = "resp_1") -> str:
        """Have a response running that we asked for; gives its create's event_id."""
        ours = self.say()
        self.hear(response_created(response_id, ours=ours))
        return ours


_WIRE = get_args(ServerEvent)


def settled(events: Sequence[object]) -> list[tuple[str, Outcome]]:
    """Which commands ended, and how."""
    return [(e.event_id, e.outcome) for e in events if isinstance(e, CommandSettled)]
