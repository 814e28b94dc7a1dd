"""The servers that a .deb's program is tried against by `try_deb.py`: Orthanc with a keyring, and PostgreSQL.

They run on this machine, as Debian packages them (`bootstrap.py test` installs both); the program in the bare root has the
same network.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bare_debian import Bare, done, say

USER, PASSWORD = "reader", "correct horse"
SETTINGS = "home/reader/.config/HyRisk Desktop/settings.json"
# A session of D-Bus with a keyring that is open, and a command in it; the password comes as a desktop's dialog would store it.
WITH_KEYRING = """
printf login | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1
printf '%s' "$PASSWORD" | secret-tool store --label=node service "HyRisk Desktop PACS" username web
exec hyrisk pacs test web
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def orthanc(folder: Path) -> Iterator[tuple[int, int]]:
    """A server of its own; its DICOM port and its port for HTTP."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    dicom, web = free_port(), free_port()
    settings = {
        "StorageDirectory": str(folder), "IndexDirectory": str(folder), "DicomAet": "ORTHANC", "DicomPort": dicom,
        "HttpPort": web, "RegisteredUsers": {USER: PASSWORD}, "AuthenticationEnabled": True,
        "Plugins": ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"],
        "DicomModalities": {"us": {"AET": "HYRISK", "Host": "127.0.0.1", "Port": free_port()}},
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(["/usr/sbin/Orthanc", folder / "orthanc.json"], stdout=log, stderr=log)
    try:
        while process.poll() is None:
            with contextlib.suppress(OSError):
                ask(web, "/system")
                break
            time.sleep(0.2)
        yield dicom, web
    finally:
        process.terminate()
        process.wait()


def ask(port: int, path: str, body: bytes | None = None) -> Any:
    """What Orthanc's own interface answers."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body)
    request.add_header("Authorization", "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode())
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def write_settings(bare: Bare, **values: object) -> None:
    path = bare.folder / SETTINGS
    known = json.loads(path.read_text()) if path.is_file() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known | values))
    bare.root("chown", "-R", "1000:1000", "/home/reader/.config")


def pacs(bare: Bare, work: Path) -> None:
    """Search, retrieval and sending by DIMSE, then DICOMweb with a password out of a keyring; needs the step `reports`."""
    home = bare.folder / "home/reader"
    images = sorted(path for path in (home / "exam").rglob("*.dcm"))
    with orthanc(work / "orthanc") as (dicom, web):
        for path in images:
            ask(web, "/instances", path.read_bytes())
        bare.user("hyrisk", "pacs", "add", "archive", "--ae-title", "ORTHANC", "--host", "127.0.0.1", "--port", dicom)
        say(bare.user("hyrisk", "pacs", "test", "archive").strip())
        (patient,) = ask(web, "/patients?expand")
        wanted = ["--patient-id", patient["MainDicomTags"]["PatientID"]]
        found = bare.user("hyrisk", "pacs", "find", "archive", *wanted).splitlines()
        (study,) = (json.loads(line) for line in found)
        folder = bare.user("hyrisk", "pacs", "get", "archive", study["study_uid"]).strip().splitlines()[-1]
        fetched = [p for p in (bare.folder / folder.lstrip("/")).rglob("*") if p.is_file()]
        say("C-GET:", len(fetched), "objects of", len(images))
        say("C-STORE:", bare.user("hyrisk", "pacs", "send", "archive", "reading.sr").strip())
        nodes = json.loads((bare.folder / SETTINGS).read_text())["pacs_nodes"]
        write_settings(
            bare, pacs_nodes=[*nodes, {"name": "web", "url": f"http://127.0.0.1:{web}/dicom-web", "user": USER}]
        )
        say("DICOMweb without a keyring:", done(bare.command("hyrisk", "pacs", "test", "web"), check=False).strip())
        bare.root(
            "apt-get", "install", "-y", "-qq", "--no-install-recommends", "gnome-keyring", "libsecret-tools", "dbus"
        )
        say(
            "DICOMweb with its password in GNOME's keyring:",
            bare.user("dbus-run-session", "--", "sh", "-c", WITH_KEYRING, PASSWORD=PASSWORD).splitlines()[-1],
        )
        write_settings(bare, pacs_nodes=[])


def postgresql(bare: Bare, work: Path) -> None:
    """The worklist's tables, made by the frozen program's migrations on a server."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    folder, port = work / "postgresql", free_port()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.chown(folder, "postgres", "postgres")
    run = lambda name, *words: done(["runuser", "-u", "postgres", "--", programs / name, *words])  # noqa: E731
    run("initdb", "-D", folder, "-U", "hyrisk", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories="
    run("pg_ctl", "-D", folder, "-w", "-o", options, "-l", folder / "log", "start")
    try:
        ours = ["-h", "127.0.0.1", "-p", str(port), "-U", "hyrisk"]
        run("createdb", *ours, "reads")
        write_settings(bare, store=f"postgresql://hyrisk@127.0.0.1:{port}/reads")
        say("audit:", bare.user("hyrisk", "audit").strip() or "empty, in order")
        tables = run("psql", *ours, "-At", "-c", "select count(*) from pg_tables where schemaname = 'public'", "reads")
        say("tables:", tables.strip())
        rows = bare.user("hyrisk", "doctor", QT_QPA_PLATFORM="offscreen").splitlines()
        say(*(row.strip() for row in rows if "PostgreSQL" in row))
    finally:
        run("pg_ctl", "-D", folder, "-m", "immediate", "stop")
        write_settings(bare, store="")
