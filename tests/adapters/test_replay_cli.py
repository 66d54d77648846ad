"""`talkwire replay` as a person runs it, and the two ways to a recording of a page's call."""

from __future__ import annotations

import asyncio
import json
import logging
import resource
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from support.frames import (
    call,
    committed,
    completed,
    event,
    item_added,
    message,
    response_created,
    response_done,
    session_created,
    text_of,
)
from talkwire import DIRECT, Session
from talkwire.recording import record
from talkwire.replay import replay
from talkwire_io.cli import main
from talkwire_io.recording import recording_in


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command."""
    status = 0
    try:
        main(arguments)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    said = capsys.readouterr()
    return status, said.out, said.err


def transcript_failed(item_id: str) -> dict[str, object]:
    error = {"message": "too noisy"}
    kind = "conversation.item.input_audio_transcription.failed"
    return event(kind, item_id=item_id, content_index=0, error=error)


def a_call() -> list[str]:
    """The lines of a call: a question, a function, an answer that was cut, and odd frames."""
    lines: list[str] = []
    session = record(Session(plane=DIRECT, now=1.0), lines.append, now=1.0)

    def hear(*frames: dict[str, object]) -> None:
        for frame in frames:
            session.receive(text_of(frame), now=2.0)
        while session.next_frame() is not None:
            pass

    hear(session_created(), committed("item_1"), transcript_failed("item_1"))
    hear(item_added(message("item_2", "user", "What is the\n\x1b[31mweather?"), "item_1"))
    hear(response_created("resp_1"), *completed("resp_1", "call_1", '{"city":"Rome"}'))
    made = call("call_1", status="completed", arguments='{"city":"Rome"}')
    hear(item_added(made, "item_2"), response_done("resp_1"))
    session.send_function_result("call_1", "Fog.", now=3.0)
    result = {"id": "item_4", "type": "function_call_output", "call_id": "call_1", "output": "Fog."}
    hear(item_added(result, made["id"]))
    hear(item_added(message("item_5", "assistant", "It is foggy in Rome today."), "item_4"))
    hear(event("conversation.item.truncated", item_id="item_5", content_index=0, audio_end_ms=1250))
    hear(item_added({**message("item_6", "assistant"), "status": "incomplete"}, "item_5"))
    hear(item_added({"id": "item_7", "type": "mcp_list_tools"}, "item_6"), {"type": "odd"})
    with pytest.raises(Exception, match="call_9"):
        session.send_function_result("call_9", "1", now=3.5)
    session.receive_close(code=1006, reason="network is gone", now=4.0)
    return lines


def saved(folder: Path, lines: list[str]) -> str:
    file = folder / "call.jsonl"
    file.write_text("".join(lines), encoding="utf-8", newline="\n")
    return str(file)


def test_it_shows_who_said_what_how_it_ended_and_what_was_odd(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said, complaints = run(capsys, "replay", saved(tmp_path, a_call()))
    assert (status, complaints) == (0, "")
    head, *told = said.splitlines()
    assert head.startswith("talkwire 0.1.0, a session on the direct plane: ")
    refused, *end = told[7:]
    assert told[:7] == [
        "      user  (no words) [not understood: too noisy]",
        r"      user  What is the\n\x1b[31mweather?",
        '      call  get_weather({"city":"Rome"})',
        "    result  Fog.",
        " assistant  It is foggy in Rome today. [cut: 1.2 s were heard]",
        " assistant  (no words) [cut off]",
        "mcp_list_tools  (no words)",
    ]
    assert "send_function_result was refused: " in refused
    assert end == ["closed (1006): network is gone", "odd frames: UnknownEvent 1"]


def test_a_session_that_was_not_closed_says_where_it_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, said, _ = run(capsys, "replay", saved(tmp_path, a_call()[:2]))
    assert said.splitlines()[1:] == ["not closed: the session is created"]


def test_a_check_that_finds_every_byte_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = saved(tmp_path, a_call())
    status, said, complaints = run(capsys, "replay", "--check", file)
    assert (status, complaints) == (0, "")
    assert said.startswith(f"{file}: ")
    assert said.endswith("frames, every byte the same\n")


def test_a_check_names_the_line_and_both_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = a_call()
    at = next(n for n, line in enumerate(lines) if '"out":"' in line)
    frame = json.loads(lines[at])["out"]
    lines[at] = lines[at].replace("Fog.", "Sun.")
    file = saved(tmp_path, lines)
    status, said, complaints = run(capsys, "replay", file, "--check")
    assert (status, said) == (1, "")
    assert complaints.splitlines() == [
        f"talkwire: {file}: line {at + 1} differs",
        f"recorded: {frame.replace('Fog.', 'Sun.')}",
        f"replayed: {frame}",
    ]
    del lines[at]
    status, _, complaints = run(capsys, "replay", saved(tmp_path, lines), "--check")
    assert status == 1
    assert f"line {at + 1} differs" in complaints
    status, said, _ = run(capsys, "replay", file)
    assert status == 0
    assert said.splitlines()[-1] == f"from line {at + 1} on this is not what was: see --check"


def test_a_frame_where_there_was_none_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line for line in a_call() if '"out":"' not in line]
    status, _, complaints = run(capsys, "replay", saved(tmp_path, lines), "--check")
    assert status == 1
    assert "recorded: no frame\n" in complaints


def test_a_recording_that_was_cut_off_is_played_as_far_as_it_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = a_call()
    file = saved(tmp_path, [*lines[:-1], lines[-1][:20]])
    status, said, _ = run(capsys, "replay", file)
    assert status == 0
    assert said.splitlines()[-1] == "the last line is cut off: it was recorded no further"
    status, said, _ = run(capsys, "replay", "--check", file)
    assert status == 0
    assert said.endswith("every byte the same; its last line is cut off\n")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file or directory"),
        (b"", "this is no recording"),
        (b"Dear diary,\n", "this is no recording"),
        (b"\xff\xfe\x00", "this is no recording"),
        (b'{"recording":9,"talkwire":"9.9","of":"session","now":0,"snapshot":{}}\n', "format 9"),
    ],
)
def test_what_is_no_recording_is_said_in_one_line(
    content: bytes | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "diary"
    if content is not None:
        file.write_bytes(content)
    status, said, complaints = run(capsys, "replay", str(file))
    assert (status, said) == (2, "")
    assert complaints.startswith(f"talkwire: {file}: ")
    assert words in complaints
    assert complaints.count("\n") == 1


def test_it_needs_no_extra(tmp_path: Path) -> None:
    missing = ["quart", "aiortc", "httpx2", "anyio", "hypercorn", "numpy"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({missing!r}))\n"
        f"from talkwire_io.cli import main; main(['replay', {saved(tmp_path, a_call())!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    assert "It is foggy in Rome today." in done.stdout


def test_who_reads_may_have_had_enough(tmp_path: Path) -> None:
    lines = a_call()
    for number in range(5000):
        item = item_added(message(f"item_x{number}", "user", "Are we there yet?"))
        line = {"call": "receive", "args": [text_of(item)], "options": {"now": 3.9}}
        lines.insert(-1, json.dumps(line) + "\n")
    command = [sys.executable, "-m", "talkwire_io", "replay", saved(tmp_path, lines)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reading:
        assert reading.stdout is not None and reading.stderr is not None
        assert reading.stdout.readline().startswith(b"talkwire 0.1.0, ")
        reading.stdout.close()
        assert (reading.stderr.read(), reading.wait(30)) == (b"", 0)


# -- recordings of a page's call


def test_a_disk_that_takes_no_more_ends_the_recording_and_not_the_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with caplog.at_level(logging.WARNING), recording_in(tmp_path) as write:
        session = record(Session(plane=DIRECT, now=1.0), write, now=1.0)
        size = next(tmp_path.iterdir()).stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 300, limits[1]))
        try:
            for _ in range(8):
                session.send_text("Is anybody there?", respond=False, now=2.0)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        session.send_text("Now there would be room again.", now=3.0)
    assert session.next_frame() is not None
    [warning] = caplog.messages
    assert warning.startswith("the recording ends here: ")
    [file] = tmp_path.iterdir()
    with file.open() as lines:
        played = replay(lines)
    assert played.cut
    assert len(played.steps) < 8


def test_a_folder_that_cannot_be_made_is_said_before_anything_is_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("aiortc", reason="needs the extra: pip install 'talkwire[local]'")
    taken = tmp_path / "calls"
    taken.write_text("a file")
    status, said, complaints = run(capsys, "demo", "--port", "0", "--record", str(taken))
    assert (status, said) == (2, "")
    assert complaints == f"talkwire: {taken}: File exists\n"


def test_a_page_s_call_is_recorded_to_a_file_of_its_own(tmp_path: Path) -> None:
    pytest.importorskip("aiortc", reason="needs the extra: pip install 'talkwire[local]'")
    from support.caller import calling
    from support.hop import serving
    from support.local import Parrot
    from talkwire_io.demo.app import Demo, create_app
    from talkwire_io.local.blueprint import realtime_blueprint
    from talkwire_io.local.calls import Calls
    from talkwire_io.local.voice import NO_VOICE
    from talkwire_io.openai import OpenAI

    key = "sk-of-nobody-else-123"

    async def talk() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        async with OpenAI(key, base_url=base_url) as service:
            demo = Demo(service=service, model="m", name="local", record=tmp_path)
            app = create_app(demo)
            app.register_blueprint(realtime_blueprint(Calls(NO_VOICE, Parrot())))
            async with serving(app, listener) as port:
                for words in ("Hello there.", "Hello again."):
                    async with calling(port) as page:
                        await page.ask(words)
                        bye = {"type": "talkwire.bye", "code": "hangup", "message": ""}
                        await page.hop.say(bye)
                        await page.hop.socket.wait_closed()

    asyncio.run(asyncio.wait_for(talk(), 20))
    files = sorted(tmp_path.iterdir(), key=lambda file: file.stat().st_mtime_ns)
    assert len(files) == 2
    for file, words in zip(files, ("Hello there.", "Hello again."), strict=True):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert key not in file.read_text()
        with file.open() as lines:
            played = replay(lines)
        assert (played.difference, played.cut) == (None, False)
        assert words in [item.text for item in played.session.conversation]
