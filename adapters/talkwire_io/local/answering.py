"""One response: ask the brain, then say its words or call its tools, reporting every step."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Literal

from talkwire import JsonObject
from talkwire.realtime.engine import EngineRequest, ResponseRequested
from talkwire.realtime.service import Service
from talkwire_io.local.engine import Engine
from talkwire_io.local.outlet import Outlet, Piece
from talkwire_io.local.voice import CallTool, Reply, Say, TextToSpeech, Turn, Voice

# With the space that follows, so that the captions put together are the text.
_SENTENCE = re.compile(r".+?(?:[.!?…]+[\"')\]]*\s+|\Z)", re.DOTALL)


class Answering:
    """Carries out a response; `move` takes what each report to the service asked for."""

    def __init__(
        self,
        service: Service,
        outlet: Outlet,
        engine: Engine,
        move: Callable[[Iterable[EngineRequest]], None],
    ) -> None:
        self._service = service
        self._outlet = outlet
        self._engine = engine
        self._move = move

    async def run(self, request: ResponseRequested) -> None:
        """Answer `request`, once all that was said is transcribed.

        Raises whatever the brain or the voice raises, or TimeoutError when one of them hangs.
        """
        response_id = request.response_id
        for action in await self._think(request):
            match action:
                case Say(text=text):
                    await self._say(request, text)
                case CallTool(name=name, arguments=arguments):
                    now = _now()
                    self._move(self._service.function_call(response_id, name, arguments, now=now))
        self._move(self._service.response_done(response_id, now=_now()))

    async def _think(self, request: ResponseRequested) -> Reply:
        known = {item["id"]: item for item in self._service.items}
        turn = Turn(
            items=[_with_words(item, known) for item in request.items],
            instructions=request.instructions,
            tools=request.tools,
            tool_choice=request.tool_choice,
        )
        return await self._engine.work(partial(self._engine.brain.answer, turn))

    async def _say(self, request: ResponseRequested, text: str) -> None:
        response_id = request.response_id
        voice = self._engine.voice
        wanted = request.output_modality == "audio" and self._outlet.speaks
        speaks = wanted and isinstance(voice, Voice)
        modality: Literal["audio", "text"] = "audio" if speaks else "text"
        self._move(self._service.message_started(response_id, modality=modality, now=_now()))
        for sentence in _SENTENCE.findall(text):
            if speaks and isinstance(voice, Voice):
                await self._speak(response_id, sentence, voice.text_to_speech)
            else:
                self._move(self._service.text(response_id, sentence, now=_now()))
        self._move(self._service.message_done(response_id, now=_now()))

    async def _speak(self, response_id: str, sentence: str, voice: TextToSpeech) -> None:
        """Say a sentence when the one before is nearly over, its caption with its first sound."""
        await self._outlet.room()
        sounds = iter(voice.speak(sentence))
        step = partial(self._next_pieces, sounds, voice.sample_rate)
        pieces = await self._engine.work(step)
        self._move(self._service.text(response_id, sentence, now=_now()))
        while pieces is not None:
            for piece in pieces:
                self._play(response_id, piece)
            pieces = await self._engine.work(step)

    def _next_pieces(self, sounds: Iterator[bytes], rate: int) -> list[Piece] | None:
        sound = next(sounds, None)
        return None if sound is None else self._outlet.cut(sound, rate)

    def _play(self, response_id: str, piece: Piece) -> None:
        self._outlet.play(response_id, piece)
        self._move(self._service.audio(response_id, piece.audio, piece.duration_ms, now=_now()))


def _with_words(item: JsonObject, known: Mapping[str, JsonObject]) -> JsonObject:
    """The item as it is now: its words came after the response was asked for."""
    spoken = any(part["type"] == "input_audio" for part in item.get("content", ()))
    return known.get(item.get("id", ""), item) if spoken else item


def _now() -> float:
    return asyncio.get_running_loop().time()
