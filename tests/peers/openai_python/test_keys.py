"""openai-python's HTTP calls for a page that has a key of its own."""

from __future__ import annotations

import asyncio

import pytest
from openai import AuthenticationError

from peers.openai_python.turns import MODEL, SESSION, ask, client, follow
from support.command import Served


def test_an_ephemeral_key_opens_the_session_that_it_was_made_for(service: Served) -> None:
    async def talk() -> None:
        async with client(service) as openai:
            secret = await openai.realtime.client_secrets.create(
                session=SESSION, expires_after={"anchor": "created_at", "seconds": 60}
            )
        assert secret.value.startswith("ek_")
        assert secret.session.type == "realtime"
        async with client(service, secret.value) as openai:
            async with openai.realtime.connect(model=MODEL) as connection:
                await ask(connection, "What is the weather in Rome?")
                turn = await follow(connection)
        assert turn.calls == [("get_weather", {"city": "Rome"})]

    asyncio.run(asyncio.wait_for(talk(), 30))


def test_a_key_that_was_never_made_is_refused_by_its_own_error(service: Served) -> None:
    async def post() -> None:
        async with client(service, "ek_never_made") as openai:
            await openai.realtime.calls.create(sdp="v=0\r\n")

    with pytest.raises(AuthenticationError, match="ephemeral"):
        asyncio.run(post())
