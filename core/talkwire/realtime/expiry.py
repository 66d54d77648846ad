"""When the service will end the session: it tells so, or it is 60 minutes (§3.10)."""

from typing import Any

from attrs import define

from ..timers import Moment
from .happenings import SessionExpiring
from .limits import SESSION_SECONDS

FOREVER = 2.0**53  # no clock shows that, and whoever sends it says nothing


@define
class Expiry:
    """The end of a session, as far as it is known."""

    epoch: Moment | None = None
    """When unix time began, on the clock of `now`; None: nobody told us what day it is."""
    at: Moment | None = None
    """The end, on the clock of `now`; None before the first frame."""
    expires_at: float | None = None
    """The end as the service told it, in unix seconds; None when it did not."""

    def begin(self, now: float) -> None:
        """The first frame is here: from now on it is 60 minutes at most."""
        self.at = Moment(now + SESSION_SECONDS)

    def tell(self, expires_at: Any) -> bool:
        """The service says when; gives whether that moves it. Anything but a time says nothing."""
        if isinstance(expires_at, bool) or not isinstance(expires_at, int | float):
            return False
        if not 0 < expires_at < FOREVER or expires_at == self.expires_at:
            return False
        self.expires_at = float(expires_at)
        if self.epoch is not None:
            self.at = Moment(self.epoch + expires_at)
        return self.epoch is not None

    def warning(self, now: float) -> SessionExpiring:
        """What is to be said of it now."""
        left = SESSION_SECONDS if self.at is None else self.at - now
        return SessionExpiring(expires_at=self.expires_at, seconds_left=max(0.0, left))
