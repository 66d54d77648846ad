"""What the conversation takes over from the frames that only tell of words.

One function per wire type, listed in one table. The user's words may be told before their item
(§3.3); a model's item is always there before its words, unless it is beside the conversation.
"""

from collections.abc import Callable
from typing import Any

from . import events as e
from .books import Books
from .items import NULL


def _heard(books: Books, event: e.ConversationItemInputAudioTranscriptionDelta) -> None:
    books.conversation.item(event.item_id).say(event.content_index, event.delta)


def _heard_all(books: Books, event: e.ConversationItemInputAudioTranscriptionCompleted) -> None:
    books.conversation.item(event.item_id).said(event.content_index, event.transcript)
    if event.usage is not NULL:
        books.counted().transcription(event.item_id, event.usage)


def _not_understood(books: Books, event: e.ConversationItemInputAudioTranscriptionFailed) -> None:
    why = event.error.message or event.error.code or "unknown"
    books.conversation.item(event.item_id).transcript_error = why


def _said(
    books: Books, event: e.ResponseOutputTextDelta | e.ResponseOutputAudioTranscriptDelta
) -> None:
    books.conversation.say(event.item_id, event.content_index, event.delta)


def _said_text(books: Books, event: e.ResponseOutputTextDone) -> None:
    item = books.conversation.get(event.item_id)
    if item is not None:
        item.said(event.content_index, event.text)


def _said_aloud(books: Books, event: e.ResponseOutputAudioTranscriptDone) -> None:
    item = books.conversation.get(event.item_id)
    if item is not None:
        item.said(event.content_index, event.transcript)


WORDS: dict[type[Any], Callable[[Books, Any], None]] = {
    e.ConversationItemInputAudioTranscriptionDelta: _heard,
    e.ConversationItemInputAudioTranscriptionCompleted: _heard_all,
    e.ConversationItemInputAudioTranscriptionFailed: _not_understood,
    e.ResponseOutputTextDelta: _said,
    e.ResponseOutputTextDone: _said_text,
    e.ResponseOutputAudioTranscriptDelta: _said,
    e.ResponseOutputAudioTranscriptDone: _said_aloud,
}
