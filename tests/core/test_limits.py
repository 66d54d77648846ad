"""What the wire cannot take is refused before it leaves: §3.10."""

from collections.abc import Callable

import pytest

from support.frames import Script, committed, error, event, session_updated, settled, speech
from talkwire import (
    DIRECT,
    RELAY,
    SIDEBAND,
    Command,
    JsonObject,
    LocalProtocolError,
    Outcome,
    Plane,
    commands,
)


def update(**session: object) -> Command:
    return commands.SessionUpdate(session={"type": "realtime", **session})


def create(**response: object) -> Command:
    return commands.ResponseCreate(response=response)


def function(description: str) -> JsonObject:
    return {"type": "function", "name": "f", "description": description, "parameters": {}}


def adopted(call_id: object) -> Command:
    item = {"type": "function_call", "call_id": call_id, "name": "f", "arguments": "{}"}
    return commands.ConversationItemCreate(item=item)


def idle(ms: object) -> Command:
    vad = {"type": "server_vad", "idle_timeout_ms": ms}
    return update(audio={"input": {"turn_detection": vad}})


# What just fits, what is too much, and the words that say so.
LIMITS: list[tuple[Callable[[int], Command], int, int, str]] = [
    (lambda n: commands.InputAudioBufferClear(event_id="x" * n), 512, 513, "512 characters"),
    (
        lambda n: commands.ConversationItemCreate(item={"type": "message", "id": "x" * n}),
        32,
        33,
        "1 to 32",
    ),
    (lambda n: adopted("x" * n), 32, 33, "call_id has 33 characters; the limit is 32"),
    (
        lambda n: update(tools=[{}, function("x" * n)]),
        1024,
        1025,
        r"tools\[1\].description has 1025",
    ),
    (lambda n: create(tools=[function("x" * n)]), 1024, 1025, r"tools\[0\].description has 1025"),
    (lambda n: create(metadata={str(i): "x" for i in range(n)}), 16, 17, "metadata has 17 pairs"),
    (lambda n: create(metadata={"x" * n: "x"}), 64, 65, "key of metadata has 65 characters"),
    (lambda n: create(metadata={"x": "x" * n}), 512, 513, r"metadata\['x'\] has 513 characters"),
    (lambda n: update(max_output_tokens=n), 4096, 4097, "max_output_tokens is 4097"),
    (lambda n: create(max_output_tokens=n), 1, 0, "max_output_tokens is 0; it may be 1 to 4096"),
    (idle, 30_000, 30_001, "idle_timeout_ms is 30001; it may be 5000 to 30000"),
    (idle, 5_000, 4_999, "idle_timeout_ms is 4999"),
]
every_limit = pytest.mark.parametrize(
    ("make", "fits", "too_much", "words"), LIMITS, ids=[row[3][:28] for row in LIMITS]
)


@every_limit
def test_what_just_fits_leaves_3_10(
    make: Callable[[int], Command], fits: int, too_much: int, words: str
) -> None:
    script = Script()
    script.session.send(make(fits), now=0.0)
    assert len(script.sent()) == 1


@every_limit
def test_one_more_is_refused_and_changes_nothing_3_10(
    make: Callable[[int], Command], fits: int, too_much: int, words: str
) -> None:
    """One tool with a long description would lose the whole update (livekit/agents#1183)."""
    script = Script()
    with pytest.raises(LocalProtocolError, match=words):
        script.session.send(make(too_much), now=0.0)
    assert script.sent() == []
    assert script.session.settings.desired == {}
    assert settled(list(script.session.close(now=0.0))) == []


@pytest.mark.parametrize(
    "command",
    [
        update(max_output_tokens="inf"),
        update(max_output_tokens=None),
        update(tools=None),
        update(tools=["x", {"description": None}, {}]),
        create(metadata=None),
        create(metadata={"x": 5}),
        create(tools="x"),
        idle(None),
        update(audio={"input": {"turn_detection": None}}),
    ],
    ids=str,
)
def test_what_is_no_number_or_text_is_left_for_the_service_to_judge_3_10(command: Command) -> None:
    script = Script()
    script.session.send(command, now=0.0)
    assert len(script.sent()) == 1


@pytest.mark.parametrize(
    "command",
    [
        commands.SessionUpdate(session=5),  # type: ignore[arg-type]
        commands.ResponseCreate(response=None),  # type: ignore[arg-type]
        commands.ConversationItemCreate(item="x"),  # type: ignore[arg-type]
    ],
    ids=str,
)
def test_what_is_no_object_is_named_and_changes_nothing(command: Command) -> None:
    script = Script()
    with pytest.raises(LocalProtocolError, match=f"{type(command).__name__}: .* no JSON object"):
        script.session.send(command, now=0.0)
    assert script.sent() == []
    assert settled(list(script.session.close(now=0.0))) == []


# -- audio


def test_an_append_of_fifteen_mebibytes_of_base64_is_the_most_3_10() -> None:
    script = Script()
    most = 15 * 1024 * 1024 // 4 * 3
    script.session.send_audio(bytes(most), now=0.0)
    assert len(script.sent()[0]["audio"]) == 15 * 1024 * 1024
    with pytest.raises(LocalProtocolError, match=f"{most + 1} bytes of audio"):
        script.session.send_audio(bytes(most + 1), now=0.0)
    with pytest.raises(LocalProtocolError, match=f"{most + 1} bytes of audio"):
        script.session.send(commands.InputAudioBufferAppend(audio=bytes(most + 1)), now=0.0)
    assert script.sent() == []


def commit(script: Script) -> str:
    return script.session.send(commands.InputAudioBufferCommit(), now=0.0)


@pytest.mark.parametrize(
    ("input_format", "bytes_per_ms"), [("audio/pcm", 48), ("audio/pcmu", 8), ("audio/pcma", 8)]
)
def test_less_than_a_tenth_of_a_second_cannot_be_committed_3_10(
    input_format: str, bytes_per_ms: int
) -> None:
    """openai-agents-js#748."""
    script = Script(fresh=True)
    audio = {"input": {"format": {"type": input_format}, "turn_detection": None}}
    script.hear(event("session.updated", session={"type": "realtime", "audio": audio}))
    script.session.send_audio(bytes(60 * bytes_per_ms), now=0.0)
    script.session.send(
        commands.InputAudioBufferAppend(audio=bytes(39 * bytes_per_ms + 7)), now=0.0
    )
    script.sent()
    with pytest.raises(LocalProtocolError, match=r"InputAudioBufferCommit.* 99 ms .* 100 ms"):
        commit(script)
    assert script.sent() == []
    script.session.send_audio(bytes(bytes_per_ms), now=0.0)
    commit(script)
    assert script.sent_types() == ["input_audio_buffer.append", "input_audio_buffer.commit"]


@pytest.mark.parametrize(
    "emptied", [commands.InputAudioBufferCommit(), commands.InputAudioBufferClear()], ids=str
)
def test_what_was_committed_or_cleared_does_not_count_twice_3_10(emptied: Command) -> None:
    script = Script()
    script.session.send_audio(bytes(9600), now=0.0)
    script.session.send(emptied, now=0.0)
    with pytest.raises(LocalProtocolError, match="0 ms of audio"):
        commit(script)


def test_what_the_service_committed_by_itself_may_be_less_than_we_think_3_10() -> None:
    """How much it took cannot be known here: what may be enough is not refused."""
    script = Script()
    script.session.send_audio(bytes(9600), now=0.0)
    script.hear(speech("started", "u"), speech("stopped", "u"), committed("u"))
    commit(script)
    assert script.sent_types()[-1] == "input_audio_buffer.commit"


def test_where_a_commit_has_failed_nobody_knows_what_is_left_3_10() -> None:
    script = Script()
    script.session.send_audio(bytes(9600), now=0.0)
    first = commit(script)
    assert settled(script.tell(error("server_error", event_id=first))) == [(first, Outcome.FAILED)]
    commit(script)
    assert script.sent_types().count("input_audio_buffer.commit") == 2


def test_a_format_of_which_nothing_is_known_is_taken_for_the_shortest_3_10() -> None:
    script = Script(fresh=True)
    script.session.send_audio(bytes(800), now=0.0)
    commit(script)
    script.hear(session_updated())
    assert script.sent_types() == ["input_audio_buffer.append", "input_audio_buffer.commit"]


def test_a_format_that_was_asked_for_counts_before_it_is_confirmed_3_10() -> None:
    script = Script()
    script.session.session_update({"audio": {"input": {"format": {"type": "audio/pcmu"}}}}, now=0.0)
    script.session.send_audio(bytes(800), now=0.0)
    commit(script)
    assert script.sent_types()[-1] == "input_audio_buffer.commit"


@pytest.mark.parametrize("plane", [SIDEBAND, RELAY], ids=["sideband", "relay"])
def test_where_no_audio_passes_the_service_alone_knows_how_much_there_is_3_10(plane: Plane) -> None:
    script = Script(plane=plane)
    commit(script)
    assert script.sent_types() == ["input_audio_buffer.commit"]


# -- a page's data channel


def picture(size: int) -> JsonObject:
    part = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * size}
    return {"type": "message", "role": "user", "content": [part]}


@pytest.mark.parametrize(
    "command",
    [
        commands.ConversationItemCreate(item=picture(256_000)),
        commands.ConversationItemCreate(item={**picture(0), "name": "é" * 128_000}),
        commands.ResponseCreate(response={"input": [picture(256_000)]}),
        commands.ResponseCreate(response={"conversation": "none", "input": [picture(256_000)]}),
        commands.SessionUpdate(session={"type": "realtime", "instructions": "x" * 256_000}),
    ],
    ids=["item", "two bytes a character", "response", "response beside", "instructions"],
)
def test_a_frame_too_large_for_a_data_channel_is_refused_before_it_closes_it_3_10(
    command: Command,
) -> None:
    """A large image closed the channel without a word (openai-agents-js#501)."""
    script = Script(plane=RELAY)
    with pytest.raises(LocalProtocolError, match="bytes; the limit of the relay plane is 256000"):
        script.session.send(command, now=0.0)
    assert script.sent() == []
    assert settled(list(script.session.close(now=0.0))) == []


@pytest.mark.parametrize("plane", [DIRECT, SIDEBAND, RELAY], ids=["direct", "sideband", "relay"])
def test_a_frame_that_fits_leaves_and_a_websocket_takes_more_3_10(plane: Plane) -> None:
    script = Script(plane=plane)
    size = 255_000 if plane is RELAY else 2_000_000
    script.session.send(commands.ConversationItemCreate(item=picture(size)), now=0.0)
    assert script.sent_types() == ["conversation.item.create"]
