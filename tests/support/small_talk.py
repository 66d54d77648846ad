"""A scripted conversation for the stand-in: it calls functions, and answers aloud."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Sequence

from support.stand_in import Frame, StandIn

PACE = 0.03  # seconds between words


class SmallTalk:
    """Both scripts: the service's over the data channel, the backend's over the hop.

    A question with "weather" calls ``get_weather``, one with "timer" calls a function that fails.
    """

    def __init__(self, there: StandIn) -> None:
        self.there = there
        self.items: list[Frame] = []
        self._ids = itertools.count(1)
        self._owed: list[Frame] = []  # function outputs, until their response is done
        there.on_event = self.service
        there.on_message = self.backend

    async def say(self, *frames: Frame) -> None:
        await self.there.emit(frames)

    async def service(self, event: Frame) -> None:
        """What the service does with a client event."""
        if event["type"] == "conversation.item.create":
            await self.add({"status": "completed", **event["item"]})
        elif event["type"] == "response.create":
            self.there.spawn(self.respond())

    async def backend(self, frame: Frame) -> None:
        """What the backend does with what the page sends it."""
        if frame["type"] == "talkwire.text":
            part = {"type": "input_text", "text": frame["text"]}
            item = {"type": "message", "role": "user", "content": [part]}
            await self.tell(
                {"type": "conversation.item.create", "item": item}, {"type": "response.create"}
            )
        elif frame["type"] == "response.function_call_arguments.done":
            self._owed.append(await self.run(frame))
        elif frame["type"] == "response.done" and self._owed:
            outputs, self._owed = self._owed, []
            creates = ({"type": "conversation.item.create", "item": item} for item in outputs)
            await self.tell(*creates, {"type": "response.create"})

    async def run(self, call: Frame) -> Frame:
        await asyncio.sleep(0.04)
        if call["name"] == "get_weather":
            output: Frame = {"location": "Rome", "celsius": 24, "sky": "sunny"}
        else:
            output = {"error": "The tool set_timer failed."}
        return {
            "type": "function_call_output",
            "call_id": call["call_id"],
            "output": json.dumps(output),
        }

    async def tell(self, *frames: Frame) -> None:
        await self.there.outbox.put("\n".join(json.dumps(frame) for frame in frames))

    async def add(self, item: Frame, **more: object) -> Frame:
        item = {"id": f"item_{next(self._ids)}", **item}
        previous = self.items[-1]["id"] if self.items else None
        self.items.append(item)
        frame = {"item": item, "previous_item_id": previous}
        await self.say({"type": "conversation.item.added", **frame})
        if item["status"] == "completed":
            await self.say({"type": "conversation.item.done", **frame})
        return item

    async def speak_up(self, question: str) -> None:
        """The user speaks: the transcript comes only after the answer has begun."""
        user = {"type": "message", "role": "user", "status": "completed"}
        item_id = f"item_{next(self._ids)}"
        previous = self.items[-1]["id"] if self.items else None
        buffer = "input_audio_buffer."
        await self.say({"type": buffer + "speech_started", "item_id": item_id, "audio_start_ms": 0})
        await asyncio.sleep(0.6)
        await self.say({"type": buffer + "speech_stopped", "item_id": item_id, "audio_end_ms": 600})
        await self.say(
            {"type": buffer + "committed", "item_id": item_id, "previous_item_id": previous}
        )
        part = {"type": "input_audio", "transcript": None}
        item = await self.add({"id": item_id, **user, "content": [part]})
        item["content"] = [{"type": "input_audio", "transcript": question}]
        self.there.spawn(self.respond())
        await asyncio.sleep(0.35)
        await self.say(
            {
                "type": "conversation.item.input_audio_transcription.completed",
                "item_id": item_id,
                "content_index": 0,
                "transcript": question,
            }
        )

    async def respond(self) -> None:
        response: Frame = {"id": f"resp_{next(self._ids)}", "status": "in_progress", "output": []}
        await self.say({"type": "response.created", "response": response})
        await asyncio.sleep(0.1)
        last = self.items[-1]
        if last["type"] == "function_call_output":
            failed = "error" in json.loads(last["output"])
            words = "I could not set that timer." if failed else "It is sunny in Rome, 24 degrees."
            await self.talk(response, words.split(" "))
        else:
            said = next(iter(last["content"][0].get(k) for k in ("text", "transcript")), None)
            said = said or last["content"][0].get("transcript") or ""
            await self.choose(response, said.lower())
        done = {**response, "status": "completed"}
        await self.say({"type": "response.done", "response": done})

    async def choose(self, response: Frame, said: str) -> None:
        if "weather" in said:
            await self.call(response, "get_weather", {"location": "Rome"})
        elif "timer" in said:
            await self.call(response, "set_timer", {"minutes": -3})
        else:
            await self.talk(response, f"You said: {said}".split(" "))

    async def call(self, response: Frame, name: str, arguments: Frame) -> None:
        call_id = f"call_{next(self._ids)}"
        pending = {"type": "function_call", "status": "in_progress", "name": name}
        item = await self.add({**pending, "call_id": call_id, "arguments": ""})
        ids = {"response_id": response["id"], "item_id": item["id"], "call_id": call_id}
        kind = "response.function_call_arguments."
        text = json.dumps(arguments)
        for part in (text[:5], text[5:9], text[9:]):
            await self.say({"type": kind + "delta", **ids, "delta": part})
        item.update(status="completed", arguments=text)
        await self.say({"type": kind + "done", **ids, "name": name, "arguments": text})
        await self.say({"type": "conversation.item.done", "item": item, "previous_item_id": None})

    async def talk(self, response: Frame, words: Sequence[str]) -> None:
        item = await self.add(
            {"type": "message", "role": "assistant", "status": "in_progress", "content": []}
        )
        ids = {"response_id": response["id"], "item_id": item["id"], "content_index": 0}
        for number, word in enumerate(words):
            delta = word if number == 0 else " " + word
            await self.say(
                {"type": "response.output_audio_transcript.delta", **ids, "delta": delta}
            )
            if number == 0:
                self.there.voice.audible = True
                await self.say(
                    {"type": "output_audio_buffer.started", "response_id": response["id"]}
                )
            await asyncio.sleep(PACE)
        text = " ".join(words)
        await self.say({"type": "response.output_audio_transcript.done", **ids, "transcript": text})
        item.update(status="completed", content=[{"type": "output_audio", "transcript": text}])
        await self.say({"type": "conversation.item.done", "item": item, "previous_item_id": None})
        self.there.spawn(self.fall_silent(response["id"], 0.12 * len(words)))

    async def fall_silent(self, response_id: str, after: float) -> None:
        await asyncio.sleep(after)
        self.there.voice.audible = False
        await self.say({"type": "output_audio_buffer.stopped", "response_id": response_id})
