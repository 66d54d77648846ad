"""What the conversation takes over from the frames that only tell of it: words, cuts, losses.

One function per wire type, listed in one table. The user's words may be told before their item
(§3.3); a model's item is always there before its words, unless it is beside the conversation.
"""

from collections.abc import Callable
from typing import Any

from . import events as e
from .conversation import Conversation


def _retrieved(book: Conversation, event: e.ConversationItemRetrieved) -> None:
    book.update(event.item)


def _deleted(book: Conversation, event: e.ConversationItemDeleted) -> None:
    book.delete(event.item_id)


def _truncated(book: Conversation, event: e.ConversationItemTruncated) -> None:
    book.item(event.item_id).audio_end_ms = event.audio_end_ms


def _heard(book: Conversation, event: e.ConversationItemInputAudioTranscriptionDelta) -> None:
    book.item(event.item_id).say(event.content_index, event.delta)


def _heard_all(
    book: Conversation, event: e.ConversationItemInputAudioTranscriptionCompleted
) -> None:
    book.item(event.item_id).said(event.content_index, event.transcript)


def _not_understood(
    book: Conversation, event: e.ConversationItemInputAudioTranscriptionFailed
) -> None:
    why = event.error.message or event.error.code or "unknown"
    book.item(event.item_id).transcript_error = why


def _said(
    book: Conversation, event: e.ResponseOutputTextDelta | e.ResponseOutputAudioTranscriptDelta
) -> None:
    item = book.get(event.item_id)
    if item is not None:
        item.say(event.content_index, event.delta)


def _said_text(book: Conversation, event: e.ResponseOutputTextDone) -> None:
    item = book.get(event.item_id)
    if item is not None:
        item.said(event.content_index, event.text)


def _said_aloud(book: Conversation, event: e.ResponseOutputAudioTranscriptDone) -> None:
    item = book.get(event.item_id)
    if item is not None:
        item.said(event.content_index, event.transcript)


TELLS: dict[type[e.ServerEvent], Callable[[Conversation, Any], None]] = {
    e.ConversationItemRetrieved: _retrieved,
    e.ConversationItemDeleted: _deleted,
    e.ConversationItemTruncated: _truncated,
    e.ConversationItemInputAudioTranscriptionDelta: _heard,
    e.ConversationItemInputAudioTranscriptionCompleted: _heard_all,
    e.ConversationItemInputAudioTranscriptionFailed: _not_understood,
    e.ResponseOutputTextDelta: _said,
    e.ResponseOutputTextDone: _said_text,
    e.ResponseOutputAudioTranscriptDelta: _said,
    e.ResponseOutputAudioTranscriptDone: _said_aloud,
}
