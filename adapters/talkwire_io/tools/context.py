"""What a tool may know of the call it runs for, beside the arguments; the model sees none of it."""

from typing import Generic, Protocol, TypeVar

from attrs import field, frozen

from talkwire import Command, FunctionCall, JsonObject, Respond, Session

Deps = TypeVar("Deps")


class Connection(Protocol):
    """A session on its transport, as tools use it: the drivers' connections are one."""

    @property
    def session(self) -> Session: ...

    async def send(self, command: Command) -> str: ...

    async def send_text(self, text: str, *, role: str = "user", respond: bool = True) -> str: ...

    async def send_function_result(
        self, call_id: str, output: str, *, respond: Respond | bool = True
    ) -> str: ...

    async def session_update(self, patch: JsonObject) -> str: ...

    async def cancel(self) -> str | None: ...

    async def close(self) -> None: ...


@frozen(kw_only=True)
class ToolContext(Generic[Deps]):
    """A parameter annotated with it is filled in here, and is not in the schema.

    `deps` is what you gave to `Tools.running`, such as the user this session belongs to: authorise
    by it, and never by an argument, which anybody may have talked the model into (S11).

    A plain function runs in a thread: it may read, and call the connection only through
    `anyio.from_thread.run`.
    """

    call: FunctionCall
    """Its `call_id`, `item_id`, `response_id`, and the arguments as the model wrote them."""
    connection: Connection = field(repr=False)
    deps: Deps = field(repr=False)

    @property
    def session(self) -> Session:
        """The session's books: `conversation`, `usage`, `settings`."""
        return self.connection.session
