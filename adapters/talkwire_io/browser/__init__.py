"""The page's half of talkwire: one ES module, shipped as a file.

Serve ``static_path() / "talkwire.js"`` as ``text/javascript`` and import it from your page:
``import { connect } from "/talkwire.js"``.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

__all__ = ["INTEGRITY", "static_path"]


def static_path() -> Path:
    """Return the folder that holds ``talkwire.js``."""
    return Path(__file__).resolve().parent


def _integrity(module: Path) -> str:
    digest = hashlib.sha384(module.read_bytes()).digest()
    return "sha384-" + base64.b64encode(digest).decode("ascii")


INTEGRITY = _integrity(static_path() / "talkwire.js")
"""Subresource Integrity of ``talkwire.js`` as shipped: the value of a script's ``integrity``."""
