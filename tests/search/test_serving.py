"""Who is answered, and what: loopback names only, reading only; ports in use are stepped over."""

import json
import socket
import urllib.error
import urllib.request

import pytest

from console.errors import UsageError
from search.views import serving
from search.views.serving import ReadOnly


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def answer(method: str = "GET", host: str = "127.0.0.1:8080", path: str = "/", posts: str = "") -> str:
    """'hello', or the sentence of the refusal."""
    said = []
    body = ReadOnly(hello, posts)(
        {"REQUEST_METHOD": method, "HTTP_HOST": host, "PATH_INFO": path}, lambda status, headers: said.append(status)
    )
    text = b"".join(body).decode()
    assert said == (["200 OK"] if text == "hello" else ["403 Forbidden"])
    return text if text == "hello" else json.loads(text)["reason"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_reading_is_answered(method):
    assert answer(method) == "hello"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "get", "X-DELETE"])
def test_everything_else_is_refused_in_a_sentence(method):
    assert answer(method) == "This page only shows the run: nothing can be changed or deleted here."


def test_a_path_that_is_read_by_post_is_answered_and_no_other():
    posts = r"/data/\w+"
    assert answer("POST", path="/data/runs", posts=posts) == "hello"
    for path in ("/other", "/data/runs/../x", "/x/data/runs"):
        assert answer("POST", path=path, posts=posts) != "hello"
    assert answer("DELETE", path="/data/runs", posts=posts) != "hello"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9000", "LocalHost:80", "[::1]:8080", "[::1]"])
def test_this_machine_is_answered_by_its_names(host):
    assert answer(host=host) == "hello"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example",
        "",
        "[evil]:80",
        "10.0.0.1",
        "[::1].evil.example",
        "localhost:80@evil.example",
        "localhost:",
        "localhost:80:evil",
        "[::1]evil",
        "localhost\n",
        "evil@localhost",
    ],
)
def test_another_name_for_this_address_is_refused(host):
    assert "open it by one of these names" in answer(host=host)


def test_a_port_in_use_is_stepped_over():
    with socket.socket() as taken:
        taken.bind((serving.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = serving.serve(ReadOnly(hello), port)
        try:
            assert port < server.server_port < port + serving.PORTS_TRIED
            assert urllib.request.urlopen(serving.address(server), timeout=10).read() == b"hello"
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(urllib.request.Request(serving.address(server), method="DELETE"), timeout=10)
        finally:
            serving.stop(server)


def test_only_this_machine_can_connect():
    server = serving.serve(ReadOnly(hello), 18080)
    try:
        assert server.socket.getsockname()[0] == "127.0.0.1"
    finally:
        serving.stop(server)


def test_when_all_ports_are_taken_it_says_so(monkeypatch):
    def taken(*arguments):
        raise OSError(98, "Address already in use")

    monkeypatch.setattr(serving, "make_server", taken)
    with pytest.raises(UsageError, match=r"^The ports 8080 to 8129 are all taken or forbidden; pass another --port\.$"):
        serving.serve(hello, 8080)
