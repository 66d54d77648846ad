"""When a new session is the better bet: every response fails, and has for a while.

Such a session does not recover (livekit/agents#6040, #4617). What a new session would be told
just the same does not count: to slow down, or to pay (§3.9).
"""

from attrs import define

from .classify import ErrorClass, classify
from .events import ErrorDetails
from .happenings import RestartAdvised
from .items import Response

ADVISED_AFTER = 3  # one is chance, two may be one cause


@define
class Advice:
    """Counts the failed responses in a row."""

    failures: int = 0

    def ended(self, response: Response) -> RestartAdvised | None:
        """A response ended. What was cancelled says nothing about the service."""
        if response.status in ("completed", "incomplete"):
            self.failures = 0
        if response.status != "failed":
            return None
        error = failure(response)
        if classify(error) in (ErrorClass.RETRYABLE, ErrorClass.FATAL):
            return None
        self.failures += 1
        if self.failures != ADVISED_AFTER:
            return None
        return RestartAdvised(failures=self.failures, code=error.code, message=error.message)


def failure(response: Response) -> ErrorDetails:
    """The error of a failed response; what it does not tell in words is None."""
    told = response.details.error or {}
    words = {key: told.get(key) for key in ("type", "code", "message")}
    return ErrorDetails(**{key: word for key, word in words.items() if isinstance(word, str)})
