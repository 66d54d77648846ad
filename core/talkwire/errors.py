"""What talkwire raises: only ever about your own calls, never about a frame from the network."""


class ProtocolError(Exception):
    """The root of everything the core raises."""


class LocalProtocolError(ProtocolError):
    """A call of yours that the session's state or the protocol's limits do not allow.

    The message names the call and the state, or the argument and what it was. Nothing was changed
    and nothing was queued; an id may have been used up, so that the next ones count on from there.
    """


class UnreadableError(ProtocolError):
    """A snapshot or a recording that cannot be read, or not by this version. Says why."""
