"""A `Service` with a client and an engine at its ends, both played by the test."""

import json
from typing import Any

from talkwire.realtime.engine import EngineRequest, ResponseRequested
from talkwire.realtime.service import Service

Frame = dict[str, Any]


def said(text: str, **more: Any) -> Frame:
    """A user's typed message as an item."""
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "role": "user", "content": content, **more}


class Line:
    """Say something with `send`, read what came back with `frames`."""

    def __init__(self, *, fresh: bool = False, **settings: Any) -> None:
        self.now = 0.0
        self.service = Service(now=self.now, **settings)
        self.requests: list[EngineRequest] = []
        if not fresh:
            self.frames()

    def send(self, kind: str, **fields: Any) -> list[EngineRequest]:
        """Send a client event and give what the service asks of its engine."""
        return self.service.receive(json.dumps({"type": kind, **fields}), now=self.now)

    def sleep(self, seconds: float) -> list[EngineRequest]:
        """Let time pass, waking the service whenever it asked for it."""
        requests: list[EngineRequest] = []
        end = self.now + seconds
        while (due := self.service.next_timeout()) is not None and due <= end:
            self.now = max(self.now, due)
            requests += self.service.handle_timeout(now=self.now)
        self.now = end
        return requests

    def frames(self) -> list[Frame]:
        """What the service said since the last look."""
        frames: list[Frame] = []
        while (frame := self.service.next_frame()) is not None:
            frames.append(json.loads(frame))
        return frames

    def types(self) -> list[str]:
        """The types of what the service said since the last look."""
        return [frame["type"] for frame in self.frames()]

    def error(self) -> Frame:
        """The body of the one error that was said since the last look."""
        (frame,) = self.frames()
        assert frame["type"] == "error"
        body: Frame = frame["error"]
        return body

    def refused(self, kind: str, **fields: Any) -> Frame:
        """Send what must be refused: nothing is asked of the engine, one error is the answer."""
        assert self.send(kind, event_id="mine", **fields) == []
        error = self.error()
        assert error["type"] == "invalid_request_error"
        assert error["event_id"] == "mine"
        return error

    def update(self, **session: Any) -> Frame:
        """Update the session and give the configuration that is in force then."""
        self.send("session.update", session={"type": "realtime", **session})
        (frame,) = self.frames()
        assert frame["type"] == "session.updated", frame
        updated: Frame = frame["session"]
        return updated

    def add(self, **item: Any) -> Frame:
        """Create an item and give it as it was added."""
        assert self.send("conversation.item.create", item=item) == []
        added, done = self.frames()
        assert (added["type"], done["type"]) == (
            "conversation.item.added",
            "conversation.item.done",
        )
        assert added["item"] == done["item"]
        shown: Frame = added["item"]
        return shown

    def respond(self, **response: Any) -> str:
        """Ask for a response and give its id; its `response.created` is still to be read."""
        (request,) = self.send("response.create", response=response)
        assert isinstance(request, ResponseRequested)
        return request.response_id

    def speak(self, response_id: str, words: str, *durations_ms: int) -> None:
        """The engine speaks: a message is left open, with its words and its audio."""
        self.service.message_started(response_id, modality="audio", now=self.now)
        self.service.text(response_id, words, now=self.now)
        for duration_ms in durations_ms:
            self.service.audio(response_id, b"\0\0\0", duration_ms, now=self.now)

    def spoken(self, response_id: str, words: str, *durations_ms: int) -> str:
        """The engine speaks a whole message; gives its item's id."""
        self.speak(response_id, words, *durations_ms)
        self.service.message_done(response_id, now=self.now)
        item_id: str = self.service.items[-1]["id"]
        return item_id

    def written(self, response_id: str, words: str) -> None:
        """The engine writes a whole message."""
        self.service.message_started(response_id, modality="text", now=self.now)
        self.service.text(response_id, words, now=self.now)
        self.service.message_done(response_id, now=self.now)

    def done(self, response_id: str) -> None:
        """The engine is done with a response."""
        assert self.service.response_done(response_id, now=self.now) == []

    def user_speaks(self, start_ms: int = 0, end_ms: int = 1000) -> list[EngineRequest]:
        """The user says something, from beginning to end; gives what the end of it asks for."""
        self.service.speech_started(audio_start_ms=start_ms, now=self.now)
        return self.service.speech_stopped(audio_end_ms=end_ms, now=self.now)


def words_of(item: Frame) -> str | None:
    """The words of an item's only part."""
    (part,) = item["content"]
    words: str | None = part.get("text", part.get("transcript"))
    return words
