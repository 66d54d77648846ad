"""Check that a model file is the one that was tried, before a native library parses it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from talkwire_io.local.voice.interfaces import VoiceError


def verify(path: Path, sha256: str) -> None:
    """Raise VoiceError naming the file unless its SHA-256 is `sha256`. Blocking, 1 ms per MB."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise VoiceError(f"cannot read the model file {path}: {error.strerror}") from error
    if found != sha256:
        raise VoiceError(
            f"{path} is not the model file this version was tried with: "
            f"its sha256 is {found}, expected {sha256}"
        )
