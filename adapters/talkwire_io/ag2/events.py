"""AG2's own event classes, made of what the session tells: its observers ask for them by class.

The one place where AG2 is imported.
"""

import importlib
from typing import Any

from talkwire import JsonObject, ga_type

_REALTIME = "autogen.agentchat.realtime.experimental"


def module(name: str) -> Any:
    """A module of AG2's realtime part."""
    return importlib.import_module(f"{_REALTIME}.{name}")


def told(message: JsonObject) -> Any:
    """The event for a frame of the service, GA or beta; a call's is `called`."""
    classes = module("realtime_events")
    match ga_type(str(message.get("type"))):
        case "session.created":
            return classes.SessionCreated(raw_message=message)
        case "session.updated":
            return classes.SessionUpdated(raw_message=message)
        case "input_audio_buffer.speech_started":
            return classes.SpeechStarted(raw_message=message)
        case "response.output_audio.delta":
            delta, item_id = message.get("delta", ""), message.get("item_id")
            return classes.AudioDelta(raw_message=message, delta=delta, item_id=item_id)
        case _:
            return classes.RealtimeEvent(raw_message=message)


def called(call_id: str, name: str, arguments: JsonObject, message: JsonObject) -> Any:
    """The event for a function call; `message` is the frame that made it whole."""
    return module("realtime_events").FunctionCall(
        raw_message=message, call_id=call_id, name=name, arguments=arguments
    )


def heard(audio: str) -> Any:
    """The event for audio of the user's, in base64, that somebody sent."""
    return module("realtime_events").InputAudioBufferDelta(
        delta=audio, item_id=None, raw_message={}
    )
