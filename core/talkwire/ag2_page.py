"""What a page of AG2's is told: `ag2.init`, the one control message that it knows (§4).

Such a page says nothing of itself. It opens the call, puts `init` on the data channel, then every
message that follows, and passes back the events that have "function" in their type.
"""

from .realtime.json_values import JsonObject


def ag2_init(call: JsonObject, model: str) -> JsonObject:
    """The message that opens a call `{url, key}`; `init` takes the commands that go first.

    The key stands where the service of old put it, and where GA has it (§1.7). AG2's own script
    posts its offer to an address that is switched off (§2.3); `url` is where it goes now.
    """
    key, url = call["key"], call["url"]
    config = {"client_secret": {"value": key}, "value": key, "model": model, "url": url}
    return {"type": "ag2.init", "config": config, "init": []}
