"""What a ping says: its URL and its body."""

from uuid import uuid4

import pytest

from heartbeats.client.requests import (
    BODY_LIMIT,
    FAIL,
    START,
    PingUrl,
    RunIdError,
    UrlError,
    is_line,
    run_id_of,
    tail_of,
)

URL = "https://pings.example.org/ping/t"


@pytest.mark.parametrize(
    ("signal", "end"), [("", ""), (START, "/start"), (FAIL, "/fail"), ("3", "/3")]
)
def test_a_signal_follows_the_token(signal: str, end: str) -> None:
    assert PingUrl(URL).request(signal).url == URL + end
    assert PingUrl(f" {URL}/\n").request(signal).url == URL + end


def test_what_a_url_had_in_its_query_stays() -> None:
    request = PingUrl(f"{URL}?host=a#part").request("0", run_id="r", seconds=1.23456)
    assert request.url == f"{URL}/0?host=a&rid=r&duration=1.235"


def test_a_message_is_encoded() -> None:
    request = PingUrl(URL).request(message="fünf & mehr")
    assert request.url == f"{URL}?msg=f%C3%BCnf+%26+mehr"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pings.example.org/ping/t",
        "ftp://pings.example.org/ping/t",
        "file:///etc/passwd",
        "https:///ping/t",
        "https://pings.example.org",
        "https://pings.example.org/",
        "https://a:b@pings.example.org/ping/t",
        "https://pings.example.org:0/ping/t",
        "https://pings.example.org:99999/ping/t",
        "https://[::1/ping/t",
        "https://pings.example.org/ping/a b",
        "https://pings.example.org/ping/\x00",
        "https://pings.example.org/ping/ü",
    ],
)
def test_what_is_no_ping_url_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(UrlError) as caught:
        PingUrl(text)
    assert not text or text not in str(caught.value)


def test_a_request_names_its_host_and_hides_its_token() -> None:
    assert PingUrl("http://[::1]:8080/ping/t").request().host == "[::1]:8080"
    assert PingUrl(URL).request().host == "pings.example.org"
    assert "ping/t" not in repr(PingUrl(URL).request())


def test_a_run_id_is_a_uuid() -> None:
    run_id = str(uuid4())
    assert run_id_of(f" {run_id.upper()} ") == run_id
    for text in ("", "1", run_id[:-1], f"{run_id}0", run_id.replace("-", "")):
        with pytest.raises(RunIdError, match="uuidgen"):
            run_id_of(text)


def test_an_output_is_cut_at_its_beginning_between_characters() -> None:
    assert tail_of(b"short") == b"short"
    end = tail_of("€".encode() * BODY_LIMIT)
    assert BODY_LIMIT - 3 < len(end) <= BODY_LIMIT
    assert set(end.decode()) == {"€"}
    assert tail_of(b"\x80" * (BODY_LIMIT + 1))  # no text at all: as it is


def test_one_short_line_may_stand_in_a_url() -> None:
    assert is_line("moved 3 files")
    assert not is_line("two\nlines")
    assert not is_line("x" * 501)
    longest = PingUrl(URL).request(message="\U0001f600" * 500).url
    assert len(longest) < 8_000  # what servers take as a request line
