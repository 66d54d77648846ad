"""The response gate: when a `response.create` may leave, and whose response is running (§3.4).

The book holds at most one create on its way and one waiting; what is asked for meanwhile joins
the waiting one. Legality is `state.GATES`; this file keeps the names that go with the state.
"""

from attrs import define, field

from .json_values import JsonObject
from .state import GATES, Gate, GateInput, advance


@define
class Create:
    """One `response.create`, and every request that was folded into it."""

    event_ids: list[str]
    response: JsonObject | None = None
    inputs: set[str] = field(factory=set[str])
    """Items the response must have seen and the service has not yet acknowledged."""
    covered: bool = False
    """A response that the service started by itself had seen all of them."""
    beaten_by: str | None = None
    """The service's own response that began while this one was on its way."""

    cancelled: bool = False
    """It was told to stop before it had a response."""

    @property
    def last(self) -> str:
        """The request that its response shall echo."""
        return self.event_ids[-1]

    def covered_by_service(self) -> bool:
        """Whether a response starting now, by itself, makes this one needless."""
        return self.response is None and not self.inputs


REMEMBERED = 8  # ended responses; enough for what can still be under way


BESIDE = 64  # responses out of band, all running at the same time

# A member of an enum is looked up in a hundred nanoseconds, and these at every turn.
_RUNNING = (Gate.ACTIVE, Gate.CANCEL_SENT)
_CANCEL_SENT, _CREATED, _DONE = Gate.CANCEL_SENT, GateInput.CREATED, GateInput.DONE


@define
class ResponseGate:
    """Who writes to the default conversation, and who waits to."""

    state: Gate = Gate.IDLE
    active: str | None = None
    """The active response; None in ACTIVE when a refusal did not name it."""
    user_speaks: bool = False
    """The user is speaking, and the service will answer: nothing leaves meanwhile."""
    _on_its_way: Create | None = None
    waiting: Create | None = None
    """What we asked for and may not leave yet."""
    cancel_due: str | None = None
    """The response whose cancel had to wait for its id, and may leave now."""
    _out_of_band: tuple[str, ...] = ()
    _ended: tuple[str, ...] = ()
    _echoes: bool = False
    """This service is known to echo our metadata."""
    _turn: bool = False
    """The service owes an answer to what the user said."""
    _given_up: tuple[str, ...] = ()
    """Requests that were told as lost: their response is stopped if it comes all the same."""

    def _move(self, moved_by: GateInput) -> bool:
        state = advance(GATES, self.state, moved_by)
        if state is None:
            return False
        self.state = state
        if state not in _RUNNING:
            self.active = None
        return True

    def is_open(self, response_id: str) -> bool:
        """Whether this response is running, in the default conversation or beside it."""
        return response_id == self.active or response_id in self._out_of_band

    def is_out_of_band(self, response_id: str) -> bool:
        """Whether this response runs beside the default conversation."""
        return response_id in self._out_of_band

    def has_ended(self, response_id: str) -> bool:
        """Whether this response is over; of those that ended lately."""
        return response_id in self._ended

    def waits(self, event_id: str) -> bool:
        """Whether this request waits to leave: nothing can have answered it yet."""
        return self.waiting is not None and event_id in self.waiting.event_ids

    def is_cancelled(self, response_id: str) -> bool:
        """Whether this response was told to stop, or will be as soon as may be."""
        return self.state is _CANCEL_SENT and self.active == response_id

    @property
    def is_idle(self) -> bool:
        """Whether nobody has the floor, nor is about to."""
        return self.state is Gate.IDLE and not self.user_speaks and self.waiting is None

    @property
    def on_its_way(self) -> bool:
        """Whether a create of ours has left and not been settled."""
        return self._on_its_way is not None

    # -- our side

    def want(self, create: Create) -> None:
        """Ask for a response; it joins one already waiting, the newer options winning."""
        if self.waiting is None:
            self.waiting = create
            return
        self.waiting.event_ids += create.event_ids
        self.waiting.inputs |= create.inputs
        self.waiting.response = create.response or self.waiting.response

    def take(self) -> Create | None:
        """The create that may leave now; it is then on its way."""
        if self.waiting is None or self.user_speaks or not self._move(GateInput.CREATE):
            return None
        self._on_its_way, self.waiting = self.waiting, None
        return self._on_its_way

    def cancel(self, *, ours: bool = True) -> str | None:
        """Stop the active response: its id when a cancel shall leave now.

        `ours` False stops only that one, not a create of ours that is on its way beside it. A
        create that is only waiting is not touched; one on its way is cancelled once it has
        an id, because until then the service would not know what to cancel (§3.5).
        """
        if not self._move(GateInput.CANCEL):
            return None
        if self._on_its_way is not None and ours:
            self._on_its_way.cancelled = True
        return self.active

    # -- the service's side

    def created(self, response_id: str, ours: str | None) -> list[str]:
        """A response began in the default conversation; `ours` is the create it echoes.

        Returns the requests it settles.
        """
        on_its_way, waiting = self._on_its_way, self.waiting
        answers_turn, self._turn = self._turn, False
        self._echoes = self._echoes or ours is not None
        by_service = answers_turn or self._echoes
        other = on_its_way is not None and ours not in on_its_way.event_ids and by_service
        self._begin(response_id, other=other, stop=ours in self._given_up)
        settled: list[str] = []
        if on_its_way is not None and ours in on_its_way.event_ids:
            settled, self._on_its_way = on_its_way.event_ids, None
        if ours is None:
            self.user_speaks = False
        if self._on_its_way is not None:
            self._beaten(self._on_its_way, response_id, by_service)
        if waiting is not None and ours is None and waiting.covered_by_service():
            settled, self.waiting = settled + waiting.event_ids, None
        return settled

    def _begin(self, response_id: str, *, other: bool = False, stop: bool = False) -> None:
        """This response has the floor. `other`: it is the service's own while ours is on its way;
        `stop`: nobody waits for it any more."""
        if self.active is not None:
            self._forget(self.active)
        if not (other and self._move(GateInput.CREATED_OTHER)):
            self._move(_CREATED)
        self.active = response_id
        if stop:
            self._move(GateInput.CANCEL)
        if self.state is _CANCEL_SENT:
            self.cancel_due = response_id

    def _beaten(self, create: Create, response_id: str, by_service: bool) -> None:
        """A response that is not ours was quicker: the verdict on ours still follows.

        Where nothing says that it is the service's own, it may be ours all the same, from a
        clone that echoes no metadata: then its end settles ours.
        """
        create.covered = create.covered_by_service()
        create.beaten_by = response_id if by_service else None

    def created_out_of_band(self, response_id: str, ours: str | None) -> None:
        """A response began beside the default conversation; `ours` is the create it echoes."""
        self._echoes = self._echoes or ours is not None
        self._out_of_band = (*self._out_of_band[1 - BESIDE :], response_id)

    def done(self, response_id: str, ours: str | None = None) -> list[str]:
        """A response ended: the active one, or one that began unseen; never another's.

        `ours` is the create it echoes. From a service that echoes, an unseen one without it was
        not ours; from one not yet known to, it may have been, and a refusal sets that right.

        Returns the requests it settles.
        """
        if response_id in self._out_of_band:
            self._out_of_band = tuple([i for i in self._out_of_band if i != response_id])
            return []
        if response_id in self._ended:
            return []
        self._forget(response_id)
        create = self._on_its_way
        if create is not None and self._is_of_others(create, response_id, ours):
            stopped = create.cancelled
            before = GateInput.DONE_BEFORE_STOPPED if stopped else GateInput.DONE_BEFORE_OURS
            if self.active == response_id:
                self._move(before)
            return []
        expected = self.active in (None, response_id) and self._move(_DONE)
        if not expected and not self._move(GateInput.DONE_UNSEEN):
            return []
        return self._take_on_its_way()

    def _is_of_others(self, create: Create, response_id: str, ours: str | None) -> bool:
        """Whether this response, which echoes `ours`, is known not to be that of a create."""
        if ours is not None or self._echoes:
            return ours not in create.event_ids
        return create.beaten_by == response_id

    def _take_on_its_way(self) -> list[str]:
        create, self._on_its_way = self._on_its_way, None
        return create.event_ids if create else []

    def _forget(self, response_id: str) -> None:
        """Remember that it is over: its end may still come, or come twice, or its beginning."""
        if response_id:  # what has no name is not known again
            self._ended = (*self._ended[1 - REMEMBERED :], response_id)

    def speech(self, started: bool) -> None:
        """The user speaks, or stopped; meanwhile nothing leaves, the service will answer."""
        self.user_speaks = started
        if not started:
            self._turn = self._move(GateInput.COMMITTED) and self.active is None

    def quiet(self) -> None:
        """What the user says comes to nothing, or is not answered by the service."""
        self.user_speaks = False

    def acknowledged(self, item_id: str) -> None:
        """The service has this item; a response that starts from now on sees it."""
        if self._on_its_way is not None:
            self._on_its_way.inputs.discard(item_id)
        if self.waiting is not None:
            self.waiting.inputs.discard(item_id)

    def owns(self, event_id: str) -> bool:
        """Whether the create on its way carries this request."""
        return self._on_its_way is not None and event_id in self._on_its_way.event_ids

    def refused(self, blocker: str | None) -> list[str]:
        """Our create met an active response: wait for that one's end, unless it covers ours."""
        self._move(GateInput.REFUSED)
        if self.active is None:
            self.active = blocker
        if self.active in self._ended:
            self._move(GateInput.DONE)
        create, self._on_its_way = self._on_its_way, None
        if create is None or create.covered or create.cancelled:
            return create.event_ids if create else []
        create.beaten_by = None
        later, self.waiting = self.waiting, create
        if later is not None:
            self.want(later)
        return []

    def failed(self, moved_by: GateInput = GateInput.FAILED) -> list[str]:
        """Our create came to nothing, by an error or by the deadline.

        One that was given up may have a response all the same (livekit/agents#6223).
        """
        if moved_by is GateInput.GIVE_UP and self._on_its_way is not None:
            self._given_up = (*self._given_up, *self._on_its_way.event_ids)[-REMEMBERED:]
        if self.state is Gate.SERVER_EXPECTED:
            self._turn = False  # it was waited for; of a create of ours it says nothing
        self._move(moved_by)
        return self._take_on_its_way()

    def seen(self, response_id: str) -> list[str]:
        """A response is running, though nobody told its beginning, or it was taken for over.

        Returns the requests it settles: it may be theirs.
        """
        self._ended = tuple(ended for ended in self._ended if ended != response_id)
        self._begin(response_id)
        return self._take_on_its_way()

    def unheard(self) -> list[str]:
        """Nobody tells the end of what runs or is on its way: it counts as over.

        Returns the requests it settles.
        """
        if self.active is not None:
            self._forget(self.active)
        if not self._move(GateInput.DONE) and self.on_its_way:
            self._move(GateInput.GIVE_UP)
        return self._take_on_its_way()

    def not_active(self) -> list[str]:
        """Our cancel came too late: the response had ended by itself.

        Returns the requests it settles, as its end would have.
        """
        gone = self.active
        if gone is None or not self._move(GateInput.NOT_ACTIVE):
            return []
        self._forget(gone)
        return self._take_on_its_way()

    def lose(self) -> None:
        """The transport closed, and every request that is still open is lost."""
        self._move(GateInput.CLOSE)
        self._turn = False
        self._on_its_way = self.waiting = None
