"""A web page for the person at this machine, and for nobody else: loopback only, reading only, standard library only."""

import errno
import json
import re
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from console.errors import UsageError

HOST = "127.0.0.1"
# what a browser here calls us; a tunnel keeps the name, not the port
OURS = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.ASCII | re.IGNORECASE)
PORTS_TRIED = 50
READING = ("GET", "HEAD")
Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]


class ReadOnly:
    """A WSGI application behind a gate. `app` may be exchanged for another while pages are served."""

    def __init__(self, app: Application, posts: str = ""):
        """`posts`: a regular expression for the paths that are only read by POST too."""
        self.app, self.posts = app, posts

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        reason = self.refusal(environ)
        if reason is None:
            return self.app(environ, start_response)
        body = json.dumps({"reason": reason}).encode()
        start_response("403 Forbidden", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def refusal(self, environ: Environ) -> str | None:
        """Why this request is not answered, in one sentence; None where it is.

        A web site elsewhere can give its own name our address (DNS rebinding) and read what it likes through the
        person's browser; but then the browser asks for that site's name, not for one of ours.
        """
        if not OURS.fullmatch(environ.get("HTTP_HOST", "")):
            return f"This page answers to {HOST} and localhost only; open it by one of these names."
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        if method in READING or (method == "POST" and self.posts and re.fullmatch(self.posts, path)):
            return None
        return "This page only shows the run: nothing can be changed or deleted here."


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64  # a browser asks for many things at once


class _Handler(WSGIRequestHandler):
    timeout = 60  # seconds; a connection that says nothing is closed

    def log_message(self, format: str, *args: object) -> None:
        """The terminal is for the person, not for every request."""

    def get_environ(self) -> Environ:
        return {**super().get_environ(), "wsgi.multithread": True}


def serve(app: Application, port: int) -> WSGIServer:
    """Serve on the first free port from `port` on, in a thread. UsageError where the next 50 are all taken."""
    for candidate in range(port, min(port + PORTS_TRIED, 65536)):
        try:
            server = make_server(HOST, candidate, app, _Server, _Handler)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            continue
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()
        return server
    raise UsageError(f"The ports {port} to {port + PORTS_TRIED - 1} are all taken or forbidden; pass another --port.")


def address(server: WSGIServer) -> str:
    return f"http://{HOST}:{server.server_port}"


def stop(server: WSGIServer) -> None:
    server.shutdown()
    server.server_close()
