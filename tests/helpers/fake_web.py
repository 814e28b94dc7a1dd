"""An HTTP server on loopback that answers every DICOMweb question with what the test wants."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hyrisk_desktop.exchange.pacs.node import Node


class FakeWeb:
    """What it answers, and what it was asked: paths with their queries, as they came over the line."""

    def __init__(self) -> None:
        self.answer: bytes = b"[]"
        self.content_type = "application/dicom+json"
        self.asked: list[str] = []
        self.port = 0

    def says(self, document: Any) -> None:
        self.answer = json.dumps(document).encode()

    @property
    def node(self) -> Node:
        return Node("Web", url=f"http://127.0.0.1:{self.port}/dicom-web")


@contextmanager
def running() -> Iterator[FakeWeb]:
    """A server that runs within the block."""
    fake = FakeWeb()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one packet: else the second waits 40 ms for the first one's acknowledgement.
        wbufsize = 1 << 16

        def do_GET(self) -> None:
            fake.asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", fake.content_type)
            self.send_header("Content-Length", str(len(fake.answer)))
            self.end_headers()
            self.wfile.write(fake.answer)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Nothing on the console."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
