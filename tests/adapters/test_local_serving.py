"""`serving` as somebody else's test uses it, and `talkwire serve` as another process does."""

from __future__ import annotations

import asyncio
import json
import socket

import httpx2
import pytest

pytest.importorskip("aiortc", reason="needs the extra: pip install 'talkwire[local]'")

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from support.local import MISSING, Parrot, run, said
from support.process import refused, served
from talkwire_io.local.calls import Calls
from talkwire_io.local.options import Options
from talkwire_io.local.serving import Serving, serving
from talkwire_io.local.voice import NO_VOICE, RuleBrain, Say
from talkwire_io.openai import KeyRefused, OpenAI

KEY = {"Authorization": "Bearer sk-mine"}


async def first_event(websocket_url: str, key: str = "sk-mine") -> str:
    header = {"Authorization": f"Bearer {key}"}
    async with connect(websocket_url, proxy=None, additional_headers=header) as websocket:
        return str(json.loads(await websocket.recv())["type"])


def test_a_service_for_one_block() -> None:
    async def main() -> None:
        before = asyncio.all_tasks()
        async with serving(Calls(NO_VOICE, RuleBrain())) as service:
            assert service.base_url.startswith("http://127.0.0.1:")
            assert service.base_url.endswith("/v1")
            assert service.websocket_url == f"ws{service.base_url[4:]}/realtime"
            assert await first_event(service.websocket_url) == "session.created"
            assert await first_event(service.websocket_url, service.key()) == "session.created"
        with pytest.raises(OSError):
            await first_event(service.websocket_url)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == before

    run(main())


def test_two_services_at_once_do_not_know_each_other() -> None:
    async def main() -> None:
        async with (
            serving(Calls(MISSING, Parrot())) as one,
            serving(Calls(MISSING, Parrot())) as two,
        ):
            assert one.base_url != two.base_url
            async with connect(one.websocket_url, proxy=None, additional_headers=KEY):
                assert (len(one.calls), len(two.calls)) == (1, 0)
            assert two.secrets.find(one.key()) is None

    run(main())


def test_a_brain_of_ones_own_answers() -> None:
    async def main() -> None:
        shout = Parrot(lambda turn: [Say(said(turn).upper())])
        async with (
            serving(Calls(NO_VOICE, shout)) as service,
            connect(service.websocket_url, proxy=None, additional_headers=KEY) as websocket,
        ):
            content = [{"type": "input_text", "text": "Hello"}]
            item = {"type": "message", "role": "user", "content": content}
            create = {"type": "conversation.item.create", "item": item}
            await websocket.send(json.dumps(create))
            await websocket.send('{"type":"response.create"}')
            while (event := json.loads(await websocket.recv()))["type"] != "response.done":
                pass
            assert event["response"]["output"][0]["content"][0]["text"] == "HELLO"

    run(main())


def test_the_block_s_end_closes_what_is_open() -> None:
    async def main() -> None:
        async with serving(Calls(NO_VOICE, RuleBrain())) as service:
            websocket = await connect(service.websocket_url, proxy=None, additional_headers=KEY)
        assert json.loads(await websocket.recv())["type"] == "session.created"
        with pytest.raises(ConnectionClosed):
            await websocket.recv()
        assert websocket.close_code == 1001

    run(main())


def test_what_goes_wrong_in_the_block_comes_out_as_it_is() -> None:
    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            async with serving(Calls(NO_VOICE, RuleBrain())):
                raise ZeroDivisionError

    run(main())


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_socket_of_ones_own_and_options(host: str) -> None:
    async def main() -> None:
        listener = socket.create_server((host, 0))
        port = listener.getsockname()[1]
        options = Options(keys={"sk-mine"})
        async with serving(
            Calls(NO_VOICE, RuleBrain()), listener=listener, options=options
        ) as service:
            assert service.base_url == f"http://127.0.0.1:{port}/v1"
            assert (await minted(service, "sk-mine")).status_code == 200
            assert (await minted(service, "sk-other")).status_code == 401
        assert listener.fileno() == -1

    run(main())


async def minted(service: Serving, key: str) -> httpx2.Response:
    header = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(trust_env=False, headers=header) as http:
        return await http.post(f"{service.base_url}/realtime/client_secrets")


SERVE = ("serve", "--port", "0", "--no-voice")
SAYS_WHERE = r"\Atalkwire serve: (http://127\.0\.0\.1:\d+/v1)\n"


def test_the_command_says_where_in_one_line_and_stops_cleanly() -> None:
    async def main() -> None:
        async with served(SERVE, SAYS_WHERE) as running:
            there = running.url.replace("http", "ws", 1)
            assert await first_event(f"{there}/realtime") == "session.created"
            assert await running.stop() == 0
            assert await running.complaints() == ""

    run(main(), 60)


def test_the_command_takes_the_keys_and_the_dialect_it_is_told() -> None:
    async def main() -> None:
        more = ("--key", "sk-mine", "--key", "sk-yours", "--dialect", "beta")
        async with served((*SERVE, *more), SAYS_WHERE) as running:
            async with httpx2.AsyncClient(trust_env=False) as http:
                for key, status in (("sk-mine", 200), ("sk-yours", 200), ("sk-other", 401)):
                    header = {"Authorization": f"Bearer {key}"}
                    made = await http.post(f"{running.url}/realtime/sessions", headers=header)
                    assert made.status_code == status

    run(main(), 60)


def test_a_port_that_is_taken_is_told_with_the_command_to_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, words = refused("serve", "--port", str(port))
    assert (status, words) == (
        1,
        f"talkwire: port {port} is taken; try: talkwire serve --port {port + 1}",
    )


def test_a_refused_key_is_told_as_such_however_much_was_sent_with_it() -> None:
    """A server that closes before it has read everything may have its answer thrown away."""

    async def main() -> None:
        calls = Calls(NO_VOICE, RuleBrain())
        tools = [{"type": "function", "name": "f", "description": "x" * 1000}] * 100
        async with serving(calls, options=Options(keys={"sk-good"})) as service:
            async with OpenAI("sk-wrong", base_url=service.base_url) as openai:
                for _ in range(20):
                    with pytest.raises(KeyRefused):
                        await openai.call("v=0", {"type": "realtime", "tools": tools})

    run(main())
