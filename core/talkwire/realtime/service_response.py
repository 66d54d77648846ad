"""One response of a service, from its item's first frame to `response.done`, in §3.2's order."""

from typing import Any

from attrs import define, field, frozen

from .json_values import JsonObject
from .service_conversation import Conversation
from .service_outbox import Outbox


@frozen
class _Modality:
    """How the wire names a kind of content: its part, its words, its events."""

    part: str
    words: str
    content: str
    event: str
    speaks: bool


_MODALITIES = {
    "text": _Modality("text", "text", "output_text", "response.output_text", False),
    "audio": _Modality(
        "audio", "transcript", "output_audio", "response.output_audio_transcript", True
    ),
}


_CUT = {"type": "tool_execution_error", "message": "The response ended before the tool did."}


@define
class Message:
    """The message a response is saying just now."""

    item: JsonObject
    output_index: int
    modality: _Modality
    words: list[str] = field(factory=list[str])


@frozen
class McpCall:
    """A call of a remote tool that is still running."""

    output_index: int
    item: JsonObject
    arguments: str


@define
class Response:
    """A running response: what it has put out so far and the message that is open."""

    shown: JsonObject
    tools: list[JsonObject]
    outbox: Outbox
    conversation: Conversation
    message: Message | None = None
    mcp_calls: dict[str, McpCall] = field(factory=dict[str, McpCall])
    """By item, the MCP calls that are still running."""
    _output: dict[int, JsonObject] = field(factory=dict[int, JsonObject])
    _started: int = 0

    @property
    def id(self) -> str:
        """The response's id."""
        return str(self.shown["id"])

    @property
    def speaks(self) -> bool:
        """Whether it was asked to speak, rather than to write only."""
        return list(self.shown["output_modalities"]) == ["audio"]

    def _say(self, kind: str, output_index: int, **fields: Any) -> None:
        self.outbox.say(kind, response_id=self.id, output_index=output_index, **fields)

    def _start(self, item: JsonObject) -> int:
        output_index = self._started
        self._started += 1
        self._say("response.output_item.added", output_index, item=item)
        if self.shown["conversation_id"] is not None:
            self.conversation.add(item)
        return output_index

    def _finish(self, output_index: int, started: JsonObject, item: JsonObject) -> None:
        item = self.conversation.finish(started, item)
        self._output[output_index] = item
        self._say("response.output_item.done", output_index, item=item)

    def start_message(self, item_id: str, modality: str) -> None:
        """Begin a message of `modality` ("audio" or "text")."""
        item: JsonObject = {
            "id": item_id,
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        kind = _MODALITIES[modality]
        self.message = Message(item, self._start(item), kind)
        self._say_part(self.message, "added", "")

    def _say_of(self, message: Message, kind: str, **fields: Any) -> None:
        self.outbox.say(
            kind,
            response_id=self.id,
            item_id=message.item["id"],
            output_index=message.output_index,
            content_index=0,
            **fields,
        )

    def _say_part(self, message: Message, what: str, words: str) -> None:
        part = {"type": message.modality.part, message.modality.words: words}
        self._say_of(message, f"response.content_part.{what}", part=part)

    def say_words(self, message: Message, delta: str) -> None:
        """Put out more of what is written, or of the transcript of what is spoken."""
        message.words.append(delta)
        self._say_of(message, f"{message.modality.event}.delta", delta=delta)

    def say_audio(self, message: Message, audio: bytes) -> None:
        """Put out more audio (websocket)."""
        self._say_of(message, "response.output_audio.delta", delta=audio)

    def finish_message(self, message: Message, status: str) -> None:
        """End the open message, whole ("completed") or not ("incomplete")."""
        kind, words = message.modality, "".join(message.words)
        if kind.speaks:
            self._say_of(message, "response.output_audio.done")
        self._say_of(message, f"{kind.event}.done", **{kind.words: words})
        self._say_part(message, "done", words)
        self.message = None
        content = [{"type": kind.content, kind.words: words}]
        item = {**message.item, "status": status, "content": content}
        self._finish(message.output_index, message.item, item)

    def call(self, item_id: str, call_id: str, name: str, arguments: str) -> None:
        """Put out a whole function call; a message may be open beside it."""
        item = {
            "id": item_id,
            "type": "function_call",
            "status": "in_progress",
            "name": name,
            "call_id": call_id,
            "arguments": "",
        }
        output_index = self._start(item)
        about = {"response_id": self.id, "item_id": item_id, "output_index": output_index}
        event = "response.function_call_arguments"
        if arguments:
            self.outbox.say(f"{event}.delta", **about, call_id=call_id, delta=arguments)
        self.outbox.say(f"{event}.done", **about, call_id=call_id, name=name, arguments=arguments)
        self._finish(output_index, item, {**item, "status": "completed", "arguments": arguments})

    def ask_approval(self, item: JsonObject) -> None:
        """Put out a `mcp_approval_request`; the response goes on without what it asks for."""
        self._finish(self._start(item), item, item)

    def start_mcp_call(self, item: JsonObject) -> None:
        """Put out an `mcp_call` whose tool begins to run (§3.8)."""
        arguments = item["arguments"]
        started = {**item, "arguments": ""}
        output_index = self._start(started)
        event = "response.mcp_call_arguments"
        if arguments:
            self._say(f"{event}.delta", output_index, item_id=item["id"], delta=arguments)
        self._say(f"{event}.done", output_index, item_id=item["id"], arguments=arguments)
        self._say_progress("in_progress", item["id"], output_index)
        self.mcp_calls[item["id"]] = McpCall(output_index, started, arguments)

    def finish_mcp_call(self, item_id: str, what: str, **result: Any) -> None:
        """End a running call, "completed" with its `output` or "failed" with its `error`."""
        call = self.mcp_calls.pop(item_id)
        self._say_progress(what, item_id, call.output_index)
        whole = {**call.item, "arguments": call.arguments, **result}
        self._finish(call.output_index, call.item, whole)

    def _say_progress(self, what: str, item_id: str, output_index: int) -> None:
        # These frames are the only ones of a response's that do not name it (§1.2).
        self.outbox.say(f"response.mcp_call.{what}", item_id=item_id, output_index=output_index)

    def finish(self, status: str, details: JsonObject | None, usage: JsonObject | None) -> None:
        """Say `response.done`; a message that is still open was cut."""
        if self.message is not None:
            self.finish_message(self.message, "incomplete")
        for item_id in tuple(self.mcp_calls):
            self.finish_mcp_call(item_id, "failed", error=_CUT)
        output = [self._output[index] for index in sorted(self._output)]
        self.shown = {
            **self.shown,
            "status": status,
            "status_details": details,
            "output": output,
            "usage": usage,
        }
        self.outbox.say("response.done", response=self.shown)


def new_response(
    *, response_id: str, conversation_id: str | None, session: JsonObject, options: JsonObject
) -> JsonObject:
    """A response object at its beginning (§1.5): the session's settings under its own."""
    speech = {**session["audio"]["output"], **options.get("audio", {}).get("output", {})}
    return {
        "object": "realtime.response",
        "id": response_id,
        "status": "in_progress",
        "status_details": None,
        "output": [],
        "conversation_id": conversation_id,
        "output_modalities": options.get("output_modalities", session["output_modalities"]),
        "max_output_tokens": options.get("max_output_tokens", session["max_output_tokens"]),
        "audio": {"output": {"format": speech["format"], "voice": speech["voice"]}},
        "usage": None,
        "metadata": options.get("metadata"),
    }
