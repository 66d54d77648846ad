"""A page's visit to a binding, and the parts that a page plays in it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import pytest

from support.bindings import Connection
from support.cells import LIMIT_S, Halls
from support.conversation import nothing
from support.desk import Desk, Reply, open_desk
from support.ends import Ends, knock, plain_http
from support.far_end import HELLO, OFFER, READY
from support.page_bindings import Connect, PageBinding
from support.peers import PeerEnded
from support.talks import Talk, plainly
from talkwire_io.transport import Transport

Transporting = Callable[[], Awaitable[Transport]]
Act = Callable[[Ends, Desk], Awaitable[None]]


def meet(
    halls: Halls,
    binding: PageBinding,
    act: Act,
    *,
    manner: Callable[[Talk, Connection], Awaitable[None]] = plainly,
    handler: Callable[[Talk, Connect, Transporting], Awaitable[None]] | None = None,
    desk_has: Mapping[str, Reply] | None = None,
    **options: Any,
) -> Talk:
    """A page's visit: `act` is its part, the handler's is `connect(...)` with these options.
    `desk_has` is how the service answers, where it is not as a service does."""
    hall = halls.of(binding)

    async def main() -> Talk:
        async with open_desk() as desk:
            for request, reply in (desk_has or {}).items():
                setattr(desk, request, reply)
            talk = Talk(nothing, manner, codes=False)

            async def handle(connect: Connect, transport: Transporting) -> None:
                async with plain_http(desk.url) as service:
                    if handler is not None:
                        await handler(talk, connect, transport)
                    else:
                        await talk.run(connect(**{"settings": {}, "service": service, **options}))

            hall.expect(handle)
            peer, status = await knock(hall.port)
            assert status == 101
            try:
                await act(Ends(talk, {"page": peer}, desk), desk)
                await talk.ended.wait()
            finally:
                await peer.drop()
        return talk

    async def limited() -> Talk:
        with anyio.fail_after(LIMIT_S):
            return await main()

    return anyio.run(limited)


async def open_call(ends: Ends, *, sideband: bool) -> None:
    """The page's part in opening a call."""
    page = await ends.peer("page")
    await page.send(HELLO)
    assert json.loads(await ends.hear("page"))["type"] == "talkwire.init"
    if sideband:
        await page.send(OFFER)
        assert json.loads(await ends.hear("page"))["type"] == "talkwire.answer"
        await ends.peer("service")
    await page.send(READY)


async def last_word(ends: Ends) -> dict[str, Any]:
    """The backend's goodbye; nothing comes behind it but the close."""
    while (frame := json.loads(await ends.hear("page")))["type"] != "talkwire.bye":
        pass
    with pytest.raises(PeerEnded) as end:
        await ends.hear("page")
    assert end.value.code == 1000
    return dict(frame)


async def refused(ends: Ends, *, sideband: bool) -> str:
    """What the page is told, having done its part."""
    page = await ends.peer("page")
    await page.send(HELLO)
    if sideband:
        assert json.loads(await ends.hear("page"))["type"] == "talkwire.init"
        await page.send(OFFER)
    said = await last_word(ends)
    assert said["code"] == "service_refused"
    return str(said["message"])
