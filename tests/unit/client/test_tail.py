"""What is kept of an output: its end, from both streams."""

from heartbeats.client.streams import Tail


def kept(*pieces: tuple[int, bytes], limit: int = 8) -> bytes:
    tail = Tail(limit)
    for stream, data in pieces:
        tail.add(stream, data)
    return tail.bytes()


def test_what_fits_stays_in_the_order_in_which_it_came() -> None:
    assert kept() == b""
    assert kept((1, b"ab"), (2, b"cd"), (1, b"ef"), (2, b"gh")) == b"abcdefgh"


def test_the_beginning_is_dropped() -> None:
    assert kept((1, b"0123456789")) == b"23456789"
    assert kept(*[(2, bytes([letter])) for letter in b"0123456789"]) == b"23456789"
    assert kept((1, b"abc"), (1, b"defg"), (1, b"hij")) == b"cdefghij"


def test_a_long_stream_does_not_push_the_other_one_out() -> None:
    assert kept((2, b"oops"), (1, b"0123456789")) == b"oops6789"
    assert kept((1, b"out"), (2, b"0123456789")) == b"out56789"
    assert kept((2, b"abcdefgh"), (1, b"01234567")) == b"efgh4567"
    assert kept((2, b"oh"), (1, b"0123456789")) == b"oh456789"
