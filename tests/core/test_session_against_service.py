"""`Session` against `Service`, no I/O at all: whatever both do and however late frames arrive,

* at most one response writes to the default conversation, and the session asks for no second one;
* every function call is emitted once and answered at most once;
* every command settles exactly once, as the service decided, and nothing is left waiting;
* both ends hold the same conversation once everything was delivered;
* a call that is refused leaves everything untouched;
* the same inputs give the same outputs, however often the session is drained, whether or not
  another was put in its place, made of its snapshot, and when its recording is played again.

The steps of each machine are counted, those of `test_session_against_faults.py` too.
"""

from __future__ import annotations

import pytest

from support import steps
from support.talk import Conversation
from talkwire import DIRECT, RELAY, SIDEBAND


class Direct(Conversation):
    plane = DIRECT


class Sideband(Conversation):
    plane = SIDEBAND


class Relayed(Conversation):
    plane = RELAY


@pytest.mark.parametrize("machine", [Direct, Sideband, Relayed], ids=lambda made: made.__name__)
def test_both_ends_keep_the_rules_whatever_they_do(machine: type[Conversation]) -> None:
    steps.run(machine)
