"""A `Service` that speaks beta (§2): GA inside, and every frame made an old one by hand.

Strict where a beta service was: it takes no name of GA's. Written without `talkwire`'s own tables,
so that a mistake in those shows.
"""

import json
from typing import Any

from talkwire.realtime.engine import EngineRequest
from talkwire.realtime.service import Service

Frame = dict[str, Any]

OF_GA = {
    "output_modalities",
    "max_output_tokens",
    "output_text",
    "output_audio",
    "audio/pcm",
    "audio/pcmu",
    "audio/pcma",
}
FORMATS = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}
PARTS = {"output_text": "text", "output_audio": "audio"}
RATED = {"pcm16": {"type": "audio/pcm", "rate": 24000}}


class BetaService:
    """The client's frames go in by `receive`, the service's come out by `frames`."""

    def __init__(self, **session: Any) -> None:
        self.service = Service(now=0.0, session=session)

    def receive(self, text: str) -> list[EngineRequest]:
        frame = json.loads(text)
        found = OF_GA & set(words_in(frame))
        assert not found, f"names of GA in a beta frame: {found}"
        if "session" in frame:
            frame["session"] = {"type": "realtime", **nested(frame["session"])}
        if "response" in frame:
            frame["response"] = nested(frame["response"])
        if "item" in frame:
            frame["item"] = renamed(frame["item"], {old: new for new, old in PARTS.items()})
        return self.service.receive(json.dumps(frame), now=0.0)

    def frames(self) -> list[Frame]:
        """What the service said since the last look, in beta."""
        said: list[Frame] = []
        while (text := self.service.next_frame()) is not None:
            frame = json.loads(text)
            if frame["type"] != "conversation.item.done":  # beta had it in one, created
                said.append(in_beta(frame))
        return said


def words_in(value: Any) -> list[str]:
    """Every key and every text in a frame."""
    if isinstance(value, dict):
        return [word for key, it in value.items() for word in (key, *words_in(it))]
    if isinstance(value, list):
        return [word for it in value for word in words_in(it)]
    return [value] if isinstance(value, str) else []


def nested(flat: Frame) -> Frame:
    """Flat settings as GA takes them; `type` and `audio` are no fields of beta's."""
    assert not flat.keys() & {"type", "audio"}, flat
    flat, hears, speaks = dict(flat), dict[str, Any](), dict[str, Any]()
    for key in ("transcription", "noise_reduction"):
        if (old := f"input_audio_{key}") in flat:
            hears[key] = flat.pop(old)
    if "turn_detection" in flat:
        hears["turn_detection"] = flat.pop("turn_detection")
    for old, there in (("input_audio_format", hears), ("output_audio_format", speaks)):
        if old in flat:
            new = {old: new for new, old in FORMATS.items()}[flat[old]]
            there["format"] = RATED.get(flat.pop(old), {"type": new})
    for key in ("voice", "speed"):
        if key in flat:
            speaks[key] = flat.pop(key)
    if "modalities" in flat:
        flat["output_modalities"] = ["audio"] if "audio" in flat.pop("modalities") else ["text"]
    if "max_response_output_tokens" in flat:
        flat["max_output_tokens"] = flat.pop("max_response_output_tokens")
    audio = {key: it for key, it in (("input", hears), ("output", speaks)) if it}
    return {**flat, "audio": audio} if audio else flat


def flat_session(ga: Frame) -> Frame:
    hears, speaks = ga["audio"]["input"], ga["audio"]["output"]
    moved = {"type", "audio", "output_modalities", "max_output_tokens", "truncation", "include"}
    return {
        **{key: it for key, it in ga.items() if key not in moved},
        "modalities": modalities(ga),
        "voice": speaks["voice"],
        "speed": speaks["speed"],
        "input_audio_format": FORMATS[hears["format"]["type"]],
        "output_audio_format": FORMATS[speaks["format"]["type"]],
        "input_audio_transcription": hears["transcription"],
        "input_audio_noise_reduction": hears["noise_reduction"],
        "turn_detection": hears["turn_detection"],
        "max_response_output_tokens": ga["max_output_tokens"],
        "temperature": 0.8,
    }


def flat_response(ga: Frame) -> Frame:
    speaks = ga.get("audio", {}).get("output", {})
    beta = {key: it for key, it in ga.items() if key not in ("audio", "output_modalities")}
    beta["modalities"] = modalities(ga)  # but its max_output_tokens were called that in beta too
    beta["output"] = [{"object": "realtime.item", **renamed(it, PARTS)} for it in ga["output"]]
    if "format" in speaks:
        beta["output_audio_format"] = FORMATS[speaks["format"]["type"]]
    if "voice" in speaks:
        beta["voice"] = speaks["voice"]
    return beta


def modalities(ga: Frame) -> list[str]:
    return ["text", "audio"] if ga["output_modalities"] == ["audio"] else ["text"]


def renamed(item: Frame, names: dict[str, str]) -> Frame:
    """An item with the parts of an assistant's message under other names."""
    if item.get("role") != "assistant":
        return item
    parts = [{**part, "type": names[part["type"]]} for part in item["content"]]
    return {**item, "content": parts}


def in_beta(frame: Frame) -> Frame:
    kind = frame["type"]
    frame["type"] = {"conversation.item.added": "conversation.item.created"}.get(
        kind, kind.replace("output_text", "text").replace("response.output_audio", "response.audio")
    )
    if "session" in frame:
        frame["session"] = flat_session(frame["session"])
    if "response" in frame:
        frame["response"] = flat_response(frame["response"])
    if "item" in frame:
        frame["item"] = {"object": "realtime.item", **renamed(frame["item"], PARTS)}
    if kind == "response.function_call_arguments.done":
        del frame["name"]
    assert not (OF_GA - {"max_output_tokens"}) & set(words_in(frame)), frame
    return frame
