"""What frames say about function calls, and how far they are believed (§3.7, S3, S4).

The same call stands in four events; it is emitted at the first that says it is whole. The service
itself is believed in all of them. A page is believed only in the order the service keeps: the call
announced by a response that is running, and completed as announced while it still runs. Where it
passes on nothing else, whole arguments have to do for an announcement: once for each call.

Each function returns what came of a frame.
"""

from .books import Books
from .calls import REMEMBERED, CallRecord
from .events import ResponseFunctionCallArgumentsDone
from .happenings import Anomaly, FunctionCall
from .items import Item, Response
from .state import CALLS, CallInput, advance

_COMPLETE = CallInput.COMPLETE
CallEvent = FunctionCall | Anomaly


def claimed_by_output(books: Books, item: Item, response_id: str, said_by: str) -> list[CallEvent]:
    """`response.output_item.added` and `.done`: they announce, and the latter completes."""
    if item.type != "function_call" or not item.call_id:
        return []
    if not _announced(books, item.call_id, item.name or "", response_id, item.id):
        return [_one_too_many(item.call_id, said_by)]
    return claimed_by_item(books, item, said_by, response_id)


def claimed_by_item(
    books: Books, item: Item, said_by: str, response_id: str | None = None
) -> list[CallEvent]:
    """An item that may be a call made whole; one that no response announced says nothing."""
    if item.type != "function_call" or item.status != "completed":
        return []
    record = books.calls.get(item.call_id or "")
    if record is None or record.ours:
        return []
    place = (record.response_id if response_id is None else response_id, item.id)
    return _complete(books, record, place, item.name or "", item.arguments or "", said_by)


def claimed_by_arguments(books: Books, event: ResponseFunctionCallArgumentsDone) -> list[CallEvent]:
    """`response.function_call_arguments.done`."""
    place = (event.response_id, event.item_id)
    announces = books.plane.trusted or (not books.plane.sees_all and event.response_id)
    if announces and not _announced(books, event.call_id, event.name, *place):
        return [_one_too_many(event.call_id, event.type)]
    record = books.calls.get(event.call_id)
    if record is None:
        return [_not_so(event.call_id, event.response_id, event.type)]
    return _complete(books, record, place, event.name, event.arguments, event.type)


def claimed_by_response(books: Books, response: Response, said_by: str) -> list[CallEvent]:
    """`response.done`, the last of the four; for who attached during the response, the first."""
    found: list[CallEvent] = []
    if b'"function_call"' in bytes(response.output):
        for item in response.items:
            if item.type != "function_call" or item.status != "completed":
                continue
            if books.plane.trusted:
                found += claimed_by_output(books, item, response.id, said_by)
            else:
                found += claimed_by_item(books, item, said_by, response.id)
    return found


def _announced(books: Books, call_id: str, name: str, response_id: str, item_id: str) -> bool:
    """Take down that a call began, unless a page tells of too many (S9)."""
    if not books.plane.trusted and books.calls.full and books.calls.get(call_id) is None:
        return False
    books.calls.announce(
        call_id,
        name=name,
        response_id=response_id,
        item_id=item_id,
        out_of_band=books.gate.is_out_of_band(response_id),
    )
    return True


def _complete(
    books: Books,
    record: CallRecord,
    place: tuple[str, str],
    name: str,
    arguments: str,
    said_by: str,
) -> list[CallEvent]:
    call_id, response_id = record.call_id, place[0]
    state = advance(CALLS, record.state, _COMPLETE)
    if state is None:
        return [Anomaly(type=said_by, reason=f"call {call_id} was cut off before")]
    as_announced = books.plane.trusted or (
        record.belongs_to(*place) and books.gate.is_open(response_id)
    )
    if not as_announced:
        return [_not_so(call_id, response_id, said_by)]
    if state is record.state:
        return []  # it was emitted before
    if not (record.name or name) and response_id and not books.gate.has_ended(response_id):
        record.arguments = arguments  # beta's have no name: an item that has it follows (§2.1)
        return []
    return [books.calls.complete(call_id, name=name, arguments=arguments)]


def _one_too_many(call_id: str, said_by: str) -> Anomaly:
    return Anomaly(type=said_by, reason=f"call {call_id}: {REMEMBERED} are open already")


def _not_so(call_id: str, response_id: str, said_by: str) -> Anomaly:
    reason = f"call {call_id} was not announced so by {response_id}, or that is over"
    return Anomaly(type=said_by, reason=reason)
