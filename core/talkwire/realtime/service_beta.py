"""The beta dialect from the service's side (§2): `asked` reads a beta client, `told` answers it.

The tables are `beta.py`'s, read in the other direction, so that a service itself knows GA only.
OpenAI's own has switched beta off (§2.3); services of others, and clients in use, still speak it.
"""

from .beta import BETA, EVENTS, GA, TRANSCRIPTION_UPDATE, flatten, item_in, items_in, nest
from .json_values import JsonObject, is_object

_CREATED = "conversation.item.created"
_SAID: dict[str, str] = {
    **{ga: beta for beta, ga in EVENTS.items() if ga not in ("session.created", "session.updated")},
    "conversation.item.added": _CREATED,
}
_IN_ONE = "conversation.item.done"  # beta had both in one, `conversation.item.created` (§2.1)
# GA has none (§2.2): it is taken and changes nothing.
_WITHOUT = "temperature"


def asked(frame: JsonObject) -> JsonObject:
    """GA's frame for a beta client's command; what is unknown stays, for the service to refuse."""
    ga = dict(frame)
    transcribes = frame.get("type") == TRANSCRIPTION_UPDATE
    if transcribes:
        ga["type"] = "session.update"
    session, response, item = frame.get("session"), frame.get("response"), frame.get("item")
    if is_object(session):
        ga["session"] = asked_session(session, kind="transcription" if transcribes else "realtime")
    if is_object(response):
        ga["response"] = _asked_options(response)
    if is_object(item):
        ga["item"] = item_in(item, GA)
    return ga


def asked_session(flat: JsonObject, *, kind: str = "realtime") -> JsonObject:
    """GA's settings for beta's flat ones."""
    return {"type": kind, **_asked_options(flat)}


def _asked_options(flat: JsonObject) -> JsonObject:
    nested = nest({key: value for key, value in flat.items() if key != _WITHOUT})
    if "input" in nested:
        nested["input"] = items_in(nested["input"], GA)
    return nested


def told(frame: JsonObject) -> JsonObject | None:
    """The beta frame for an event of GA's; None where beta had none."""
    kind = frame["type"]
    if kind == _IN_ONE:
        return None
    beta = {**frame, "type": _SAID.get(kind, kind)}
    if "session" in frame:
        session = frame["session"]
        beta["session"] = told_session(session)
        if session["type"] == "transcription":
            beta["type"] = f"transcription_{kind}"
    if "response" in frame:
        beta["response"] = _told_response(frame["response"])
    if "item" in frame:
        beta["item"] = _told_item(frame["item"])
    return beta


def told_session(nested: JsonObject) -> JsonObject:
    """Beta's flat settings for GA's."""
    return flatten({key: value for key, value in nested.items() if key != "type"})


def _told_response(response: JsonObject) -> JsonObject:
    # Of a response, beta has this under GA's name.
    tokens = "max_output_tokens"
    flat = flatten({key: value for key, value in response.items() if key != tokens})
    flat["output"] = [_told_item(item) for item in response["output"]]
    return {**flat, tokens: response[tokens]}


def _told_item(item: JsonObject) -> JsonObject:
    return {"object": "realtime.item", **item_in(item, BETA)}
