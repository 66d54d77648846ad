"""Function calls: announced in order, emitted once, answered once (§3.7).

Legality is `state.CALLS`. A response whose calls are all answered wants one follow-up
`response.create`, never one per call (openai-realtime-console#473).
"""

from attrs import define, field
from msgspec import Struct

from ..timers import Moment
from ..values import Named, new_dict
from .happenings import FunctionCall, FunctionCallCut
from .state import CALLS, Call, CallInput, advance


class Respond(Named):
    """Whether the model shall speak about a function's result."""

    AUTO = "auto"
    """Yes, when its turn comes; unless the user's turn is answered with the result anyway."""
    NEVER = "never"
    """No: the result is there for whatever is said next."""
    IF_IDLE = "if_idle"
    """Only if nobody has the floor when all results of the batch are in (pydantic-ai#6324)."""


# A member of an enum is looked up in a hundred nanoseconds, and these at every call.
_COMPLETE, _RESPONSE_DONE = CallInput.COMPLETE, CallInput.RESPONSE_DONE
_ANSWER = CallInput.ANSWER
_NEVER = Respond.NEVER
_EAGER = (Respond.NEVER, Respond.IF_IDLE, Respond.AUTO)


class CallRecord(Struct, gc=False):
    """One call as far as it is known."""

    call_id: str
    name: str
    response_id: str
    item_id: str
    state: Call = Call.ANNOUNCED
    out_of_band: bool = False
    """It stands outside the conversation, where no output can follow it."""
    due: Moment | None = None
    """By when it shall be answered, once it was handed to the application."""
    arguments: str | None = None
    """Whole, while nobody has named the function yet."""

    @property
    def batch(self) -> str:
        """The calls followed up together: those of one response, or this one alone."""
        return self.response_id or self.call_id

    @property
    def ours(self) -> bool:
        """Whether we put it into the conversation ourselves: no response announced it."""
        return not self.response_id and not self.item_id

    def belongs_to(self, response_id: str, item_id: str) -> bool:
        """Whether this is where the call was announced (S4)."""
        return (self.response_id, self.item_id) == (response_id, item_id)


class Batch(Struct, gc=False):
    """The calls of one response, which are followed up together."""

    open: tuple[str, ...] = ()
    response_done: bool = False
    respond: Respond = Respond.NEVER


# Calls that are over; what says the same again comes within their response. As many may be open
# at a page's word.
REMEMBERED = 64


@define
class Calls:
    """Every call that is open by `call_id`, those lately over, and the batches still open."""

    _records: dict[str, CallRecord] = field(factory=new_dict)
    _batches: dict[str, Batch] = field(factory=new_dict)

    def __getitem__(self, call_id: str) -> CallRecord:
        return self._records[call_id]

    def get(self, call_id: str) -> CallRecord | None:
        """What is known of a call; None: nothing."""
        return self._records.get(call_id)

    def can(self, call_id: str, moved_by: CallInput) -> bool:
        """Whether a call is known and may move so."""
        record = self._records.get(call_id)
        return record is not None and advance(CALLS, record.state, moved_by) is not None

    def can_answer(self, call_id: str) -> bool:
        """Whether a call waits for its output."""
        record = self._records.get(call_id)
        return record is not None and not record.out_of_band and self.can(call_id, _ANSWER)

    @property
    def full(self) -> bool:
        """Whether so many are open that a page is not believed any more (S4, S9)."""
        return len(self._records) >= REMEMBERED and self._oldest_over() is None

    def announce(
        self, call_id: str, *, name: str, response_id: str, item_id: str, out_of_band: bool = False
    ) -> None:
        """A call's item began. Hearing it twice changes nothing."""
        if call_id not in self._records:
            self._records[call_id] = CallRecord(
                call_id, name, response_id, item_id, out_of_band=out_of_band
            )
            if response_id:
                batch = self._batches.get(response_id)
                if batch is None:
                    batch = self._batches[response_id] = Batch()
                batch.open += (call_id,)
            oldest = self._oldest_over() if len(self._records) > REMEMBERED else None
            if oldest is not None:
                del self._records[oldest]

    def complete(self, call_id: str, *, name: str, arguments: str) -> FunctionCall:
        """The arguments of an announced call are whole: the call to emit."""
        record = self._records[call_id]
        record.state = self._next(record, _COMPLETE)
        record.name, record.arguments = record.name or name, None
        return FunctionCall(
            call_id=call_id,
            name=record.name,
            arguments=arguments,
            response_id=record.response_id,
            item_id=record.item_id,
            out_of_band=record.out_of_band,
        )

    def adopt(self, call_id: str, *, name: str) -> None:
        """A call that we put into the conversation ourselves: it may be answered, once.

        Putting in one that is known already changes nothing: the service will refuse it.
        """
        if call_id not in self._records:
            self._records[call_id] = CallRecord(call_id, name, "", "", Call.EMITTED)

    def answer(self, call_id: str, *, respond: Respond) -> None:
        """The output of a call is being sent."""
        record = self._records[call_id]
        record.state, record.due = self._next(record, _ANSWER), None
        batch = self._batches.setdefault(record.batch, Batch(response_done=True))
        batch.open = _without(batch.open, call_id)
        batch.respond = max(batch.respond, respond, key=_EAGER.index)

    def expect(self, call_id: str, due: Moment) -> None:
        """A call was handed to the application, which shall answer it until then."""
        self._records[call_id].due = due

    @property
    def next_due(self) -> Moment | None:
        """When the next call is due to be answered."""
        running = (each.due for each in self._records.values() if each.due is not None)
        return min(running, default=None)

    @property
    def unanswered(self) -> bool:
        """Whether a function is running: a call that can be answered was not yet."""
        records = self._records.values()
        return any(each.state is Call.EMITTED and not each.out_of_band for each in records)

    def take_due(self, now: float) -> list[str]:
        """The calls that were not answered in time; told once."""
        due = [
            (each.due, each)
            for each in self._records.values()
            if each.due is not None and each.due <= now
        ]
        due.sort(key=lambda row: row[0])
        for _, record in due:
            record.due = None
        return [record.call_id for _, record in due]

    def refused(self, call_id: str) -> None:
        """The service did not take the output: the call may be answered again."""
        record = self._records[call_id]
        record.state = self._next(record, CallInput.REFUSED)
        batch = self._batches.get(record.batch)
        if batch is not None:
            batch.open = (*_without(batch.open, call_id), call_id)

    def response_done(
        self, response_id: str, *, completed: bool
    ) -> list[FunctionCall | FunctionCallCut]:
        """A response ended: what it had announced and not completed never will be, and what it
        has not named stays without a name."""
        batch = self._batches.get(response_id)
        if batch is None:
            return []
        batch.response_done = True
        ended: list[FunctionCall | FunctionCallCut] = []
        to_answer: tuple[str, ...] = ()
        for call_id in sorted(batch.open):
            record = self._records[call_id]
            if completed and record.arguments is not None:
                ended.append(self.complete(call_id, name="", arguments=record.arguments))
            before, record.state = record.state, self._next(record, _RESPONSE_DONE)
            if before is not record.state:
                ended.append(FunctionCallCut(call_id=call_id, name=record.name))
            elif not record.out_of_band:  # those cannot be answered, so nothing waits for them
                to_answer += (call_id,)
        batch.open = to_answer
        return ended

    def take_follow_up(self, batch_id: str) -> Respond:
        """Whether one follow-up response is due now: all answered, and the response ended."""
        batch = self._batches.get(batch_id)
        if batch is None or batch.open or not batch.response_done:
            return _NEVER
        del self._batches[batch_id]
        return batch.respond

    def _oldest_over(self) -> str | None:
        for call_id, record in self._records.items():
            over = record.state in (Call.ANSWERED, Call.CUT) or record.out_of_band
            if over and record.batch not in self._batches:
                return call_id
        return None

    def _next(self, record: CallRecord, moved_by: CallInput) -> Call:
        return advance(CALLS, record.state, moved_by) or record.state


def _without(call_ids: tuple[str, ...], call_id: str) -> tuple[str, ...]:
    return tuple([each for each in call_ids if each != call_id])
