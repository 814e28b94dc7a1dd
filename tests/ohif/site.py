"""OHIF's built files and a DICOMweb server behind one address, so that the page asks nobody else."""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.helpers.orthanc import PASSWORD, USER, Orthanc, serving

VERSION = "3.13.2"
_ROOT = "/dicom-web"
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "server", "date"}


def ohif(cache: Path, version: str = VERSION) -> Path:
    """The folder of OHIF's built files in ``cache``; npm brings them there once."""
    folder = cache / f"ohif-app-{version}"
    if not (folder / "package/dist/index.html").exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", f"@ohif/app@{version}", "--silent", f"--pack-destination={folder}"]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        (archive,) = folder.glob("*.tgz")
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        archive.unlink()
    return folder / "package/dist"


@contextmanager
def served(built: Path, pacs: Orthanc) -> Iterator[str]:
    """The address of OHIF with ``pacs`` as its only source."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, pacs, directory=str(built))) as server:
        server.daemon_threads = True
        with serving(server) as port:
            yield f"http://127.0.0.1:{port}"


def _configuration() -> bytes:
    source = {
        "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
        "sourceName": "pacs",
        "configuration": {
            "friendlyName": "Orthanc",
            "name": "pacs",
            "wadoUriRoot": _ROOT,
            "qidoRoot": _ROOT,
            "wadoRoot": _ROOT,
            "qidoSupportsIncludeField": True,
            "imageRendering": "wadors",
            "thumbnailRendering": "wadors",
            "enableStudyLazyLoad": True,
            "supportsFuzzyMatching": False,
            "supportsWildcard": True,
            "bulkDataURI": {"enabled": True},
        },
    }
    settings = {
        "routerBasename": None,
        "extensions": [],
        "modes": [],
        "showStudyList": True,
        "maxNumberOfWebWorkers": 2,
        "showLoadingIndicator": True,
        "strictZSpacingForVolumeViewport": True,
        "investigationalUseDialog": {"option": "never"},
        "defaultDataSourceName": "pacs",
        "dataSources": [source],
    }
    return f"window.config = {json.dumps(settings)};".encode()


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, pacs: Orthanc, *arguments: object, **named: object) -> None:
        self._pacs = pacs
        super().__init__(*arguments, **named)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path.startswith(f"{_ROOT}/"):
            self._forward()
        elif path == "/app-config.js":
            self._answer(200, [("Content-Type", "text/javascript")], _configuration())
        else:
            # Addresses of the application are none of files.
            if not Path(self.translate_path(path)).is_file():
                self.path = "/index.html"
            super().do_GET()

    def _forward(self) -> None:
        link = http.client.HTTPConnection("127.0.0.1", self._pacs.http_port, timeout=120)
        headers = {"Authorization": "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
        headers |= {name: self.headers[name] for name in ("Accept", "Host") if name in self.headers}
        try:
            link.request("GET", self.path, headers=headers)
            answer = link.getresponse()
            kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
            self._answer(answer.status, kept, answer.read())
        finally:
            link.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""
