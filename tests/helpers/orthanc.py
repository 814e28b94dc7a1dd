"""A real PACS for the tests: Orthanc on free loopback ports, with a configuration of its own, gone afterwards."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import socketserver
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hyrisk_desktop.exchange.pacs.node import Node, Retrieval
from tests.helpers.patience import PATIENCE_S

_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
OUR_TITLE = "HYRISK"
PEER_TITLE = "ORTHANC"
USER, PASSWORD = "reader", "correct horse"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program() -> str:
    found = shutil.which("Orthanc") or ("/usr/sbin/Orthanc" if Path("/usr/sbin/Orthanc").exists() else None)
    assert found, "Orthanc is missing; “packaging/bootstrap.py test” installs it"
    assert _PLUGIN.exists(), "Orthanc's DICOMweb plug-in is missing; “packaging/bootstrap.py test” installs it"
    return found


@dataclass
class Orthanc:
    """One server below a folder; `start`, `stop` and `kill` may be called again and again."""

    folder: Path
    own_port: int
    certificate: Path | None = None
    key: Path | None = None
    authorities: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, self.http_port = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.configuration = self.folder / "orthanc.json"
        self.configuration.write_text(json.dumps(self._settings() | dict(self.options)))

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "Name": "HyRisk tests",
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "storage"),
            "StorageCompression": False,
            "Plugins": [str(_PLUGIN)],
            "DicomServerEnabled": True,
            "DicomAet": PEER_TITLE,
            "DicomCheckCalledAet": True,
            "DicomPort": self.port,
            "DicomAlwaysAllowEcho": False,
            "DicomAlwaysAllowStore": False,
            "DicomModalities": {
                "us": {"AET": OUR_TITLE, "Host": "127.0.0.1", "Port": self.own_port, "AllowStorageCommitment": True}
            },
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": True,
            "RegisteredUsers": {USER: PASSWORD},
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            "OverwriteInstances": False,
            "StableAge": 1,
            "DefaultEncoding": "Utf8",
        }
        if self.certificate:
            # Debian's Orthanc crashes over its own HTTPS; `TlsFront` stands before its HTTP as a hospital's proxy does.
            settings |= {
                "DicomTlsEnabled": True,
                "DicomTlsCertificate": str(self.certificate),
                "DicomTlsPrivateKey": str(self.key),
                "DicomTlsTrustedCertificates": str(self.authorities),
                "DicomTlsRemoteCertificateRequired": False,
            }
        return settings

    def start(self) -> None:
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [program(), str(self.configuration)], stdout=log, stderr=log, cwd=self.folder
            )
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
            try:
                self.get("/system")
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("Orthanc did not start")

    def start_again(self) -> None:
        """Start it unless it runs."""
        if self._process is None:
            self.start()

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """As a power cut."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE_S)
            self._process = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def get(self, path: str) -> Any:
        return json.loads(self.ask("GET", path) or b"null")

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Orthanc's own REST, to look behind the protocols under test."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", data=body, method=method)
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode())
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return bytes(answer.read())

    def put_files(self, files: list[Path]) -> None:
        for file in files:
            self.ask("POST", "/instances", file.read_bytes())

    @property
    def instances(self) -> int:
        return int(self.get("/statistics")["CountInstances"])

    def clear(self) -> None:
        for patient in self.get("/patients"):
            self.ask("DELETE", f"/patients/{patient}")

    def node(self, **changes: Any) -> Node:
        values: dict[str, Any] = {"name": "PACS", "ae_title": PEER_TITLE, "host": "127.0.0.1", "port": self.port}
        if self.certificate:
            values |= {"tls": True, "ca_file": str(self.authorities)}
        return Node(**(values | changes))

    def mover(self) -> Node:
        return self.node(retrieval=Retrieval.MOVE)

    def web_node(self, **changes: Any) -> Node:
        url = f"http://127.0.0.1:{self.http_port}/dicom-web"
        values: dict[str, Any] = {"name": "PACS web", "url": url, "user": USER}
        return Node(**(values | changes))


@contextmanager
def running(folder: Path, own_port: int, **settings: Any) -> Iterator[Orthanc]:
    """A running Orthanc; stopped at the end if it still runs."""
    server = Orthanc(folder, own_port, **settings)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextmanager
def tls_front(server: Orthanc) -> Iterator[str]:
    """An https:// address that leads to ``server``'s DICOMweb."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(str(server.certificate), str(server.key))

    class Front(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that does not trust the certificate hangs up: that is what it is there for."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with (
                context.wrap_socket(self.request, server_side=True) as near,
                socket.create_connection(("127.0.0.1", server.http_port)) as far,
            ):
                back = threading.Thread(target=_pump, args=(far, near), daemon=True)
                back.start()
                _pump(near, far)
                back.join()

    with Front(("127.0.0.1", 0), Handler) as front, serving(front) as port:
        yield f"https://127.0.0.1:{port}/dicom-web"


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[int]:
    """The port at which a server of the standard library answers, on a thread of its own."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def make_certificates(folder: Path) -> tuple[Path, Path, Path]:
    """An authority and a certificate for 127.0.0.1: (certificate, key, authority)."""
    openssl = shutil.which("openssl")
    assert openssl, "openssl is missing"
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key, authority = folder / "server.pem", folder / "server.key", folder / "ca.pem"
    extensions = folder / "extensions"
    extensions.write_text(
        "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n"
    )

    def run(*arguments: str) -> None:
        subprocess.run(
            [str(openssl), *arguments],
            check=True,
            capture_output=True,
            cwd=folder,
            env=os.environ | {"HOME": str(folder)},
        )

    run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=HyRisk test authority")  # fmt: skip
    run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1")
    run("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", str(extensions), "-out", "server.pem")  # fmt: skip
    return certificate, key, authority
