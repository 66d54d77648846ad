"""What frames say about function calls, and how far they are believed (§3.7, S3, S4).

The same call stands in four events; it is emitted at the first that says it is whole. The service
itself is believed in all of them. A page is believed only in the order the service keeps: the call
announced by a response that is running, and completed as announced while it still runs.
"""

from .calls import CallRecord, Calls
from .events import ResponseFunctionCallArgumentsDone
from .gate import ResponseGate
from .happenings import Anomaly, FunctionCall
from .items import Item, Response
from .state import CallInput

CallEvent = FunctionCall | Anomaly


class CallClaims:
    """Reads what frames say about calls; each method returns what came of it.

    `trusted`: frames come from the service itself; otherwise they are a page's claims.
    """

    __slots__ = ("_calls", "_gate", "_trusted")

    def __init__(self, calls: Calls, gate: ResponseGate, trusted: bool) -> None:
        self._calls = calls
        self._gate = gate
        self._trusted = trusted

    def may_speak_for(self, response_id: str) -> bool:
        """Whether a frame may add to this response."""
        return self._trusted or self._gate.is_open(response_id)

    def output_item(self, item: Item, response_id: str, said_by: str) -> list[CallEvent]:
        """`response.output_item.added` and `.done`: they announce, and the latter completes."""
        if item.type != "function_call" or not item.call_id:
            return []
        self._announce(item.call_id, item.name or "", response_id, item.id)
        return self.item(item, said_by, response_id)

    def item(self, item: Item, said_by: str, response_id: str | None = None) -> list[CallEvent]:
        """An item that may be a call made whole; one that no response announced says nothing."""
        record = self._calls.get(item.call_id or "")
        if item.type != "function_call" or item.status != "completed":
            return []
        if record is None or record.ours:
            return []
        place = (record.response_id if response_id is None else response_id, item.id)
        return self._complete(record, place, item.name or "", item.arguments or "", said_by)

    def arguments(self, event: ResponseFunctionCallArgumentsDone) -> list[CallEvent]:
        """`response.function_call_arguments.done`."""
        place = (event.response_id, event.item_id)
        if self._trusted:
            self._announce(event.call_id, event.name, *place)
        record = self._calls.get(event.call_id)
        if record is None:
            return [_not_so(event.call_id, event.response_id, event.type)]
        return self._complete(record, place, event.name, event.arguments, event.type)

    def response_done(self, response: Response, said_by: str) -> list[CallEvent]:
        """The last of the four events; for who attached during the response, the first."""
        found: list[CallEvent] = []
        if b'"function_call"' in bytes(response.output):
            for item in response.items:
                if self._trusted and item.status == "completed":
                    found += self.output_item(item, response.id, said_by)
                else:
                    found += self.item(item, said_by, response.id)
        return found

    def _announce(self, call_id: str, name: str, response_id: str, item_id: str) -> None:
        self._calls.announce(
            call_id,
            name=name,
            response_id=response_id,
            item_id=item_id,
            out_of_band=self._gate.is_out_of_band(response_id),
        )

    def _complete(
        self, record: CallRecord, place: tuple[str, str], name: str, arguments: str, said_by: str
    ) -> list[CallEvent]:
        call_id, response_id = record.call_id, place[0]
        if not self._calls.can(call_id, CallInput.COMPLETE):
            return [Anomaly(type=said_by, reason=f"call {call_id} was cut off before")]
        as_announced = record.belongs_to(*place) and self._gate.is_open(response_id)
        if not (self._trusted or as_announced):
            return [_not_so(call_id, response_id, said_by)]
        call = self._calls.complete(call_id, name=name, arguments=arguments)
        return [] if call is None else [call]


def _not_so(call_id: str, response_id: str, said_by: str) -> Anomaly:
    reason = f"call {call_id} was not announced so by {response_id}, or that is over"
    return Anomaly(type=said_by, reason=reason)
