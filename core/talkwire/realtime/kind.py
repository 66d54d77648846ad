"""The kinds of session, and what is said in each by either side (§1.2, §1.3). One table."""

from collections.abc import Mapping
from typing import get_args

from attrs import frozen

from ..values import Named
from . import commands as c
from . import events as e
from . import translation as t


class Kind(Named):
    """What a session is for; the address it is opened at decides (§1.7)."""

    REALTIME = "realtime"
    """A conversation with a model."""
    TRANSCRIPTION = "transcription"
    """Speech in, its words out: turns and items, but nobody answers."""
    TRANSLATION = "translation"
    """Speech in, speech in another language out, without turns."""


AnyCommand = c.Command | t.TranslationCommand


@frozen(kw_only=True)
class Vocabulary:
    """What a client can say in sessions of one kind, and what the service can."""

    commands: frozenset[type[AnyCommand]]
    events: frozenset[type[e.ServerEvent | t.TranslationEvent]]
    append: str
    """The type of the command that carries audio."""
    update_type: str | None
    """The `session.type` of a `session.update`; None: it must not have one."""
    responds: bool = False
    """Whether there are responses at all, for the gate to watch over."""


VOCABULARIES: Mapping[Kind, Vocabulary] = {
    Kind.REALTIME: Vocabulary(
        commands=frozenset(get_args(c.Command)),
        events=frozenset(get_args(e.ServerEvent)),
        append="input_audio_buffer.append",
        update_type="realtime",
        responds=True,
    ),
    Kind.TRANSCRIPTION: Vocabulary(
        commands=frozenset(
            {
                c.SessionUpdate,
                c.InputAudioBufferAppend,
                c.InputAudioBufferCommit,
                c.InputAudioBufferClear,
            }
        ),
        events=frozenset(
            each for each in get_args(e.ServerEvent) if not each.__name__.startswith("Response")
        ),
        append="input_audio_buffer.append",
        update_type="transcription",
    ),
    Kind.TRANSLATION: Vocabulary(
        commands=frozenset({c.SessionUpdate, *get_args(t.TranslationCommand)}),
        events=frozenset(
            {e.ErrorEvent, e.SessionCreated, e.SessionUpdated, *get_args(t.TranslationEvent)}
        ),
        append="session.input_audio_buffer.append",
        update_type=None,  # it is set with the model, when the session is opened
    ),
}
