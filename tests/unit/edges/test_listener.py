"""A listener: reads addresses, tells where it listens, stops when told."""

import pytest
from aiohttp import ClientConnectorError, ClientSession, web

from heartbeats.config import Address, AddressError, parse_address
from heartbeats.edges.listener import Listener, ListenError

ANY_PORT = Address("127.0.0.1", 0)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        (":9090", Address(None, 9090)),
        ("[::1]:0", Address("::1", 0)),
        ("localhost:65535", Address("localhost", 65535)),
        (" 0.0.0.0:80 ", Address("0.0.0.0", 80)),  # noqa: S104 - only parsed
    ],
)
def test_an_address_is_read_and_written_back(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "8080", "localhost", "localhost:", "::1:80", "h:65536", "h:-1", "h:٣"),
        *("http://h:80", "a b:80", "h:1e3", "h:99999999999999999999", "h\n:80"),
    ],
)
def test_what_is_no_address_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(AddressError, match="write HOST:PORT like"):
        parse_address(text)


def application() -> web.Application:
    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    return app


async def test_port_0_is_replaced_by_the_port_that_was_given() -> None:
    async with Listener(application(), ANY_PORT) as listener, ClientSession() as http:
        assert listener.address.port != 0
        async with http.get(listener.url) as answer:
            assert await answer.text() == "hello"


async def test_after_stop_nobody_is_let_in() -> None:
    listener = Listener(application(), ANY_PORT)
    await listener.start()
    url = listener.url
    await listener.stop()
    async with ClientSession() as http:
        with pytest.raises(ClientConnectorError):
            await http.get(url)


async def test_a_taken_address_is_named_in_the_error() -> None:
    async with Listener(application(), ANY_PORT) as first:
        with pytest.raises(ListenError, match=f"{first.address}; choose another"):
            await Listener(application(), first.address).start()


async def test_who_was_never_started_listens_nowhere() -> None:
    with pytest.raises(RuntimeError, match="start it first"):
        _ = Listener(application(), ANY_PORT).address
