"""A call as frames, deterministic: one spoken turn with a function call, as often as you like.

Where the shapes come from: types, field order, ids and sizes are those of recorded sessions with
OpenAI's GA service (August 2026: spoken questions under server VAD, a tool call, sidebands of
WebRTC calls). Ids have the service's lengths; `obfuscation` fills a delta up to 16 characters, as
the service's does. Compact JSON, `type` first. The recordings shorten their audio, so the size of
a chunk is the service's usual 100 to 200 ms of 24 kHz PCM16. Every word and id here is made up.

Two mixes: *relay*, what a WebRTC data channel carries, and *direct*, a websocket's, with sound.
A turn is heavier than life in two ways: it says `session.created`, with four tools in it, each
time, and one response both speaks and calls a function.
"""

import base64
import json
import random
from typing import Any

Frame = dict[str, Any]

_QUESTION = ["What", " is", " the", " weather", " in", " Rome", "?"]
_ANSWER = (
    "It| is| sunny| in| Rome| right| now|,| with| a| light| breeze| from| the| sea|.| I| will|"
    " look| up| how| the| evening| turns| out|,| so| you| know| whether| a| jacket| is| needed|.|"
    " One| moment|,| please|."
).split("|")
_ARGUMENTS = ('{| "|city|":| "|Rome|",| "|country|":| "|Italy|",| "|day|":| "|today|"|}').split("|")
_FORMAT = {"type": "audio/pcm", "rate": 24000}


class Turn:
    """The frames of one turn, and the ids that a client needs to answer it."""

    def __init__(self, number: int = 0, *, after: str | None = None) -> None:
        self.frames: list[str] = []
        self._random = random.Random(number)
        self._previous = after
        self.response_id = self.new("resp")
        self.call_id = "call_" + self._letters(16)
        self.metadata: Frame | None = None

    def _letters(self, count: int) -> str:
        return base64.urlsafe_b64encode(self._random.randbytes(count)).decode()[:count]

    def new(self, kind: str) -> str:
        return f"{kind}_{self._letters(21)}"

    @property
    def last_item(self) -> str | None:
        """The item that the next one follows."""
        return self._previous

    def say(self, kind: str, **fields: Any) -> None:
        frame = {"type": kind, "event_id": self.new("event"), **fields}
        self.frames.append(json.dumps(frame, separators=(",", ":")))

    def delta(self, kind: str, delta: str, **where: Any) -> None:
        """A piece of text, hidden in its length."""
        self.say(kind, **where, delta=delta, obfuscation=self._letters(16 - len(delta)))

    def sound(self, where: Frame) -> None:
        """100 to 200 ms of PCM."""
        pcm = self._random.randbytes(self._random.randrange(4800, 9601, 48))
        self.say("response.output_audio.delta", **where, delta=base64.b64encode(pcm).decode())

    def add(self, item: Frame) -> None:
        self.say("conversation.item.added", previous_item_id=self._previous, item=item)
        self._previous = item["id"]

    def done(self, item: Frame, previous: str | None = None) -> None:
        self.say("conversation.item.done", previous_item_id=previous, item=item)

    def hear(self, item_id: str) -> None:
        """The user speaks, the detector ends it, the service begins to answer."""
        self.say("input_audio_buffer.speech_started", audio_start_ms=1460, item_id=item_id)
        self.say("input_audio_buffer.speech_stopped", audio_end_ms=4256, item_id=item_id)
        self.say("input_audio_buffer.committed", previous_item_id=self._previous, item_id=item_id)
        heard = _message(item_id, "user", "completed", {"type": "input_audio", "transcript": None})
        before = self._previous
        self.add(heard)
        self.done(heard, before)

    def transcribe(self, item_id: str) -> None:
        kind = "conversation.item.input_audio_transcription"
        where = {"item_id": item_id, "content_index": 0}
        said = "".join(_QUESTION)
        usage = {"type": "duration", "seconds": 3}
        self.say(f"{kind}.completed", **where, transcript=said, usage=usage)

    def speak(self, *, audio: bool, played: bool) -> Frame:
        """A spoken message: its words, with `audio` its sound, with `played` its playback."""
        item_id = self.new("item")
        opened = _message(item_id, "assistant", "in_progress")
        where = {
            "response_id": self.response_id,
            "item_id": item_id,
            "output_index": 0,
            "content_index": 0,
        }
        self.say("response.output_item.added", **self._output(0), item=opened)
        self.add(opened)
        part: Frame = {"type": "audio", "transcript": ""}
        self.say("response.content_part.added", **where, part=part)
        chunks = 60 if audio else 0
        for index in range(max(len(_ANSWER), chunks)):
            if index < len(_ANSWER):
                self.delta("response.output_audio_transcript.delta", _ANSWER[index], **where)
            if index < chunks:
                self.sound(where)
            if played and index == 2:
                self.say("output_audio_buffer.started", response_id=self.response_id)
        self.say("response.output_audio.done", **where)
        said = "".join(_ANSWER)
        self.say("response.output_audio_transcript.done", **where, transcript=said)
        self.say("response.content_part.done", **where, part=part | {"transcript": said})
        spoken = {"type": "output_audio", "transcript": said}
        message = _message(item_id, "assistant", "completed", spoken)
        self.done(message)
        self.say("response.output_item.done", **self._output(0), item=message)
        return message

    def call(self) -> Frame:
        """A function call, its arguments piece by piece."""
        item_id = self.new("item")
        where = {
            "response_id": self.response_id,
            "item_id": item_id,
            "output_index": 1,
            "call_id": self.call_id,
        }
        opened = self._function_call(item_id, "in_progress", "")
        self.say("response.output_item.added", **self._output(1), item=opened)
        self.add(opened)
        for piece in _ARGUMENTS:
            self.delta("response.function_call_arguments.delta", piece, **where)
        arguments = "".join(_ARGUMENTS)
        self.say(
            "response.function_call_arguments.done",
            **where,
            name="get_weather",
            arguments=arguments,
        )
        called = self._function_call(item_id, "completed", arguments)
        self.done(called)
        self.say("response.output_item.done", **self._output(1), item=called)
        return called

    def _output(self, index: int) -> Frame:
        return {"response_id": self.response_id, "output_index": index}

    def _function_call(self, item_id: str, status: str, arguments: str) -> Frame:
        return {
            "id": item_id,
            "type": "function_call",
            "status": status,
            "name": "get_weather",
            "call_id": self.call_id,
            "arguments": arguments,
        }

    def response(self, kind: str, output: list[Frame]) -> None:
        status = "completed" if output else "in_progress"
        fields = _response(self.response_id, status, output)
        self.say(f"response.{kind}", response=fields | {"metadata": self.metadata})


def _message(item_id: str, role: str, status: str, *content: Frame) -> Frame:
    return {
        "id": item_id,
        "type": "message",
        "status": status,
        "role": role,
        "content": list(content),
    }


def _response(response_id: str, status: str, output: list[Frame]) -> Frame:
    cached = {"text_tokens": 64, "audio_tokens": 0, "image_tokens": 0}
    usage = {
        "total_tokens": 205,
        "input_tokens": 41,
        "output_tokens": 164,
        "input_token_details": {
            "text_tokens": 14,
            "audio_tokens": 27,
            "image_tokens": 0,
            "cached_tokens": 64,
            "cached_tokens_details": cached,
        },
        "output_token_details": {"text_tokens": 28, "audio_tokens": 136},
    }
    return {
        "object": "realtime.response",
        "id": response_id,
        "status": status,
        "status_details": None,
        "output": output,
        "conversation_id": "conv_Q1w2E3r4T5y6U7i8O9p0A",
        "output_modalities": ["audio"],
        "max_output_tokens": "inf",
        "audio": {"output": {"format": _FORMAT, "voice": "marin"}},
        "usage": usage if output else None,
        "metadata": None,
    }


def _tool(name: str, description: str) -> Frame:
    return {
        "type": "function",
        "name": name,
        "description": description,
        "parameters": {
            "additionalProperties": False,
            "properties": {"city": {"type": "string"}, "day": {"type": "string"}},
            "required": ["city"],
            "type": "object",
        },
    }


_INSTRUCTIONS = (
    "You answer the telephone of a travel agency. Be short, warm and exact; one or two sentences"
    " are enough. Ask for what you need before you call a function, and say so when you look"
    " something up, because silence sounds like a lost line. Never read out an address of a web"
    " page or a booking number faster than one could write it down. When the caller speaks"
    " another language, answer in it. When a function fails, say what you could not find out and"
    " offer to connect the caller to a colleague. Prices are in euros and include taxes. Never"
    " promise what a function has not confirmed, and repeat dates, times and names once before"
    " anything is booked. End the call when the caller says goodbye, with one friendly sentence."
)


def _session() -> Frame:
    """The configuration, as `session.created` tells it."""
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": "sess_Z9y8X7w6V5u4T3s2R1q0P",
        "model": "gpt-realtime",
        "output_modalities": ["audio"],
        "instructions": _INSTRUCTIONS,
        "tools": [
            _tool("get_weather", "Look up the weather in a city on a day."),
            _tool("find_trains", "Find trains to a city; times are local times of the stations."),
            _tool("find_hotels", "Find hotels in a city that have a free room on a day."),
            _tool("opening_hours", "When the agency's branch in a city is open on a day."),
        ],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": 1785217650,
        "audio": {
            "input": {
                "format": _FORMAT,
                "transcription": {
                    "model": "gpt-realtime-whisper",
                    "language": None,
                    "prompt": None,
                },
                "noise_reduction": None,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 200,
                    "idle_timeout_ms": None,
                    "create_response": True,
                    "interrupt_response": True,
                },
            },
            "output": {"format": _FORMAT, "voice": "marin", "speed": 1.0},
        },
        "include": None,
    }


def turn(*, audio: bool, number: int = 0, after: str | None = None, opening: bool = True) -> Turn:
    """One turn: direct with `audio`, otherwise relay. Turns of one call differ in `number`;
    each but the first comes `after` an item and does not say `session.created` again."""
    made = Turn(number, after=after)
    if opening:
        made.say("session.created", session=_session())
    user = made.new("item")
    made.hear(user)
    made.response("created", [])
    where = {"item_id": user, "content_index": 0}
    for word in _QUESTION[:6]:
        made.delta("conversation.item.input_audio_transcription.delta", word, **where)
    made.transcribe(user)
    output = [made.speak(audio=audio, played=not audio), made.call()]
    made.response("done", output)
    limit = {"name": "tokens", "limit": 15000000, "remaining": 14999361, "reset_seconds": 0.002}
    made.say("rate_limits.updated", rate_limits=[limit])
    if not audio:
        made.say("output_audio_buffer.stopped", response_id=made.response_id)
    return made


def answer(sent: list[str], number: int, *, after: str | None) -> Turn:
    """What the service says to a function's output and the request that follows it.

    `sent` are the client's frames: the item is acknowledged, the request answered in short.
    """
    made = Turn(number, after=after)
    for frame in map(json.loads, sent):
        if frame["type"] == "conversation.item.create":
            item = {**frame["item"], "status": "completed"}
            before = made.last_item
            made.add(item)
            made.done(item, before)
        elif frame["type"] == "response.create":
            made.metadata = frame.get("response", {}).get("metadata")
            made.response("created", [])
            made.response("done", [made.speak(audio=False, played=True)])
            made.say("output_audio_buffer.stopped", response_id=made.response_id)
    return made
