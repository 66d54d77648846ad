"""What talkwire raises: only ever about your own calls, never about a frame from the network."""


class ProtocolError(Exception):
    """The root of everything the core raises."""


class LocalProtocolError(ProtocolError):
    """A call of yours that the session's state or the protocol's limits do not allow.

    The message names the call and the state. Nothing was changed and nothing was queued.
    """


class UnreadableError(ProtocolError):
    """A snapshot or a recording that cannot be read, or not by this version. Says why."""
