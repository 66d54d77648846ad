"""G.711, the telephone's two codings of 16-bit PCM in one byte a sample (ITU-T G.711)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_CODES = np.arange(256)


def _mu_law() -> npt.NDArray[np.int16]:
    code = ~_CODES & 0xFF
    size = (((code & 0x0F) << 3) + 0x84 << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -size, size).astype(np.int16)


def _a_law() -> npt.NDArray[np.int16]:
    code = _CODES ^ 0x55
    segment = (code & 0x70) >> 4
    step = (code & 0x0F) << 4
    size = np.where(segment == 0, step + 8, (step + 0x108) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, size, -size).astype(np.int16)


class Coding:
    """One of the two laws. `table[code]` is the sample; encoding takes the nearest one."""

    def __init__(self, table: npt.NDArray[np.int16]) -> None:
        self._table = table
        self._order = np.argsort(table, kind="stable").astype(np.uint8)
        values = table[self._order].astype(np.int32)
        self._borders = (values[1:] + values[:-1]) / 2

    def decode(self, data: bytes) -> bytes:
        """Return s16le PCM, two bytes for each one."""
        return self._table[np.frombuffer(data, np.uint8)].astype("<i2").tobytes()

    def encode(self, pcm: bytes) -> bytes:
        """Take s16le PCM (whole samples), return one byte for each sample."""
        samples = np.frombuffer(pcm, "<i2")
        return self._order[np.searchsorted(self._borders, samples)].tobytes()


MU_LAW = Coding(_mu_law())
A_LAW = Coding(_a_law())
