"""Recordings as files: where they are written, and what is shown of one that was played."""

import logging
import os
import secrets
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from io import RawIOBase
from pathlib import Path

from talkwire import ConversationItem, SessionClosed
from talkwire.recording import Write
from talkwire.replay import Replay

_log = logging.getLogger(__name__)


@contextmanager
def recording_in(folder: Path) -> Generator[Write]:
    """Write one recording to a new file in `folder`, which only you may read: it holds what was
    said. A disk that takes no more ends the recording, not the call."""
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}.jsonl"
    descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb", buffering=0) as file:
        yield _Page(file).write


class _Page:
    def __init__(self, file: RawIOBase) -> None:
        self._file: RawIOBase | None = file

    def write(self, line: str) -> None:
        if self._file is None:
            return
        try:
            text = line.encode()
            if self._file.write(text) == len(text):
                return
            why = "a line was not taken whole"
        except OSError as error:
            why = str(error)
        _log.warning("the recording ends here: %s", why)
        self._file = None


def told(played: Replay) -> Iterator[str]:
    """A played recording as lines for a person: who said what, how it ended, what was odd."""
    inputs, frames = len(played.steps), played.frames
    yield f"talkwire {played.talkwire}, {_kind(played)}: {inputs} inputs, {frames} frames out"
    for item in played.session.conversation:
        yield f"{_who(item):>10}  {printable(_said(item))}"
    for step in played.steps:
        if step.refusal is not None:
            yield printable(f"line {step.line}: {step.call} was refused: {step.refusal}")
    yield printable(_end(played))
    odd = ", ".join(f"{name} {count}" for name, count in sorted(played.session.counts.items()))
    if odd:
        yield f"odd frames: {odd}"
    if played.cut:
        yield "the last line is cut off: it was recorded no further"
    if played.difference is not None:
        yield f"from line {played.difference.line} on this is not what was: see --check"


def _kind(played: Replay) -> str:
    of = "a session" if played.protocol is played.session else "a relay"
    return f"{of} on the {played.session.plane.name} plane"


def _who(item: ConversationItem) -> str:
    match item.type:
        case "message":
            return item.role or "?"
        case "function_call":
            return "call"
        case "function_call_output":
            return "result"
        case other:
            return other


def _said(item: ConversationItem) -> str:
    match item.type:
        case "function_call":
            words = f"{item.name}({item.arguments or ''})"
        case "function_call_output":
            words = item.output or ""
        case _:
            words = item.text or "(no words)"
    if item.transcript_error is not None:
        words += f" [not understood: {item.transcript_error}]"
    if item.audio_end_ms is not None:
        words += f" [cut: {item.audio_end_ms / 1000:.1f} s were heard]"
    elif item.status == "incomplete":
        words += " [cut off]"
    return words


def _end(played: Replay) -> str:
    ends = [event for step in played.steps for event in step.events]
    for event in reversed(ends):
        if isinstance(event, SessionClosed):
            code = "" if event.code is None else f" ({event.code})"
            return f"closed{code}: {event.reason or 'no reason was given'}"
    return f"not closed: the session is {played.session.phase.value}"


def printable(text: str) -> str:
    """Nothing that a terminal would obey: written as Python would."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
