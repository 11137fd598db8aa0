"""A web server on this machine, and the things web servers do to those who read from them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder; what a path begins with decides what goes wrong."""

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        first, _, rest = self.path.lstrip("/").partition("/")
        if first.isdecimal():
            if first == "503" and self.server.asked.count(self.server.asked[-1]) > 2:
                self.path = f"/{rest}"  # better at the third try
                return super().do_GET()
            return self.send_error(int(first))
        if first == "elsewhere":
            self.send_response(302)
            self.send_header("Location", f"/{rest}")
            self.end_headers()
            return None
        if first == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(b"x" * 1000)
            return None
        if first == "silent":
            time.sleep(3)
            return None
        if first == "endless":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"\xff\xd8\xff" * 10_000)
            except OSError:
                return None
        return super().do_GET()

    def log_message(self, *unused: object) -> None:
        pass


@contextmanager
def serve(folder: Path) -> Iterator[ThreadingHTTPServer]:
    """The server, with `base`, its address, and `asked`, the (path, authorization) of each request."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    server.asked, server.base = [], f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
