"""Echo and search against a real PACS: what is found, what is asked, and the sentence when it fails."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from hyrisk_desktop.errors import Cancelled, InputError, PacsError
from hyrisk_desktop.exchange.pacs import credentials
from hyrisk_desktop.exchange.pacs.archive import open_archive
from hyrisk_desktop.exchange.pacs.find import identifier
from hyrisk_desktop.exchange.pacs.node import Node, Retrieval, nodes_of, stored_nodes
from hyrisk_desktop.exchange.pacs.query import STUDY_KEYS, Query, StudyMatch, fits, series_of, study_of
from hyrisk_desktop.jobs import CancelToken
from tests.helpers import orthanc
from tests.helpers.exams import write_exam
from tests.helpers.orthanc import OUR_TITLE, PASSWORD, Orthanc
from tests.unit.exchange.pacs.conftest import unclosed_by_pynetdicom


class asked:
    """An archive that is opened for each question."""

    def __init__(self, *how: Any) -> None:
        self._how = how

    def __getattr__(self, name: str) -> Any:
        def ask(*question: Any) -> Any:
            with open_archive(*self._how) as archive:
                return getattr(archive, name)(*question)

        return ask


def test_an_echo_is_answered(pacs: Orthanc) -> None:
    asked(pacs.node(), OUR_TITLE).test()
    asked(pacs.web_node(), OUR_TITLE, PASSWORD).test()


@unclosed_by_pynetdicom
@pytest.mark.parametrize(
    ("changes", "title", "code"),
    [
        ({"ae_title": "NOBODY"}, OUR_TITLE, "called_ae_title"),
        ({}, "STRANGER", "calling_ae_title"),
        ({"port": 1}, OUR_TITLE, "unreachable"),
        ({"host": "no-such-host.invalid"}, OUR_TITLE, "unknown_host"),
        ({"tls": True}, OUR_TITLE, "no_tls"),
        ({"tls": True, "ca_file": "/nowhere/ca.pem"}, OUR_TITLE, "bad_certificate"),
    ],
)
def test_a_failed_echo_says_why(pacs: Orthanc, changes: dict[str, object], title: str, code: str) -> None:
    with pytest.raises(PacsError) as failure:
        asked(replace(pacs.node(), **changes), title).test()  # type: ignore[arg-type]
    assert failure.value.code == code
    assert failure.value.message.endswith(".")


def test_a_server_that_is_no_pacs_is_told_from_one_that_refuses(pacs: Orthanc) -> None:
    with pytest.raises(PacsError, match="opens no DICOM connection"):
        asked(pacs.node(port=pacs.http_port), OUR_TITLE).test()


@pytest.mark.parametrize(
    ("changes", "secret", "words"),
    [
        ({}, "wrong", "user and password"),
        ({"user": ""}, "a-token", "user and password"),
        ({"url": "http://127.0.0.1:1/dicom-web"}, PASSWORD, "can't be reached"),
    ],
)
def test_a_failed_web_test_says_why(pacs: Orthanc, changes: dict[str, object], secret: str, words: str) -> None:
    with pytest.raises(PacsError, match=words):
        asked(pacs.web_node(**changes), OUR_TITLE, secret).test()


def test_a_wrong_path_and_a_page_that_is_no_dicomweb(pacs: Orthanc) -> None:
    base = pacs.web_node().url
    with pytest.raises(PacsError, match="nothing at this address"):
        asked(pacs.web_node(url=f"{base}-not"), OUR_TITLE, PASSWORD).test()
    with pytest.raises(PacsError):
        asked(pacs.web_node(url=base.replace("/dicom-web", "/app")), OUR_TITLE, PASSWORD).test()


@unclosed_by_pynetdicom
def test_tls_with_a_trusted_and_an_untrusted_certificate(tmp_path: Path) -> None:
    certificate, key, authority = orthanc.make_certificates(tmp_path / "tls")
    with orthanc.running(
        tmp_path / "orthanc", orthanc.free_port(), certificate=certificate, key=key, authorities=authority
    ) as secure:
        asked(secure.node(), OUR_TITLE).test()
        with pytest.raises(PacsError) as untrusted:
            asked(secure.node(ca_file=""), OUR_TITLE).test()
        assert untrusted.value.code == "untrusted"
        with pytest.raises(PacsError):
            asked(secure.node(tls=False, ca_file=""), OUR_TITLE).test()
        with orthanc.tls_front(secure) as url:
            asked(secure.web_node(url=url, ca_file=str(authority)), OUR_TITLE, PASSWORD).test()
            with pytest.raises(PacsError) as untrusted:
                asked(secure.web_node(url=url), OUR_TITLE, PASSWORD).test()
            assert untrusted.value.code == "untrusted"


# --- searching


@pytest.fixture(scope="module")
def library(server: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """Study UIDs of three exams in the PACS, by number."""
    studies = {}
    for number, (name, description, charset) in enumerate(
        [
            ("Müller^Zoë", "Thorax nativ", "ISO_IR 100"),
            ("Meyer^Ann", "LDCT screening", "ISO_IR 6"),
            ("Ιωάννου^Άννα", "Θώρακας", "ISO_IR 192"),
        ],
        start=1,
    ):
        folder = write_exam(tmp_path_factory.mktemp("exam"), number, count=2)
        for file in folder.rglob("*.dcm"):
            ds = dcmread(file)
            if charset != "ISO_IR 6":
                ds.SpecificCharacterSet = charset
            ds.PatientName, ds.StudyDescription, ds.AccessionNumber = name, description, f"ACC{number}"
            ds.save_as(file)
            server.put_files([file])
        studies[number] = str(ds.StudyInstanceUID)
    return studies


@pytest.mark.parametrize("web", [False, True], ids=["C-FIND", "QIDO-RS"])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(patient_id="P001"), {1}),
        (Query(patient_id="P00*"), {1, 2, 3}),
        (Query(name="M"), {1, 2}),
        (Query(name="Mey"), {2}),
        (Query(accession="ACC3"), {3}),
        (Query(description="LDCT"), {2}),
        (Query(patient_id="P00?", modality="MR"), set()),
        (Query(date_from=date(2020, 1, 3)), {2, 3}),
        (Query(date_to=date(2020, 1, 2)), {1}),
        (Query(date_from=date(2020, 1, 3), date_to=date(2020, 1, 3)), {2}),
        (Query(patient_id="NOBODY"), set()),
    ],
)
def test_a_search_finds_what_fits(
    library: dict[int, str], server: Orthanc, query: Query, expected: set[int], web: bool
) -> None:
    node, secret = (server.web_node(), PASSWORD) if web else (server.node(), None)
    found = asked(node, OUR_TITLE, secret).find_studies(query)
    numbers = {uid: n for n, uid in library.items()}
    assert {numbers[s.study_uid] for s in found} == expected
    assert [s.study_date for s in found] == sorted((s.study_date for s in found), reverse=True)


@pytest.mark.parametrize("name", ["Müller", "Ιωάννου"])
def test_names_beyond_ascii_are_found_and_shown(library: dict[int, str], server: Orthanc, name: str) -> None:
    (study,) = asked(server.node(), OUR_TITLE).find_studies(Query(name=name))
    assert study.patient_name.startswith(name)


def test_a_study_lists_series_and_images(library: dict[int, str], server: Orthanc) -> None:
    for node, secret in ((server.node(), None), (server.web_node(), PASSWORD)):
        archive = asked(node, OUR_TITLE, secret)
        (series,) = archive.find_series(library[2])
        assert (series.modality, series.instances) == ("CT", 2)
        assert [len(uids) for uids in archive.find_images([series]).values()] == [2]


@pytest.mark.parametrize("query", [Query(), Query(name="*"), Query(patient_id=" ? ", modality="CT")])
def test_a_search_for_everything_is_refused(server: Orthanc, query: Query) -> None:
    with pytest.raises(InputError, match="at least one field"):
        asked(server.node(), OUR_TITLE).find_studies(query)


@pytest.mark.parametrize("text", ["a\\b", "x" * 65, "line\nbreak", "\0"])
def test_text_that_no_value_can_hold_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Query(patient_id=text).check()


def test_the_first_date_is_not_after_the_last() -> None:
    with pytest.raises(InputError, match="after the last"):
        Query(date_from=date(2020, 1, 2), date_to=date(2020, 1, 1)).check()


def test_only_what_is_asked_for_is_sent() -> None:
    ds = identifier("STUDY", STUDY_KEYS, Query(patient_id="P7", modality="").keys())
    filled = {e.keyword: str(e.value) for e in ds if e.value not in (None, "", [])}
    assert filled == {"QueryRetrieveLevel": "STUDY", "PatientID": "P7"}
    assert "SpecificCharacterSet" not in ds
    assert identifier("STUDY", (), {"PatientName": "Müller*"}).SpecificCharacterSet == "ISO_IR 192"


def test_a_cancelled_search_is_cancelled(server: Orthanc) -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        asked(server.node(), OUR_TITLE, None, token).find_studies(Query(patient_id="P*"))


def test_answers_are_checked_and_shown_on_one_line() -> None:
    assert study_of({"StudyInstanceUID": "../../evil"}) is None
    assert series_of("1.2", {"SeriesInstanceUID": "1.2/3"}) is None
    study = study_of({
        "StudyInstanceUID": "1.2.3", "PatientName": "A\r\nB\u202e^C", "ModalitiesInStudy": "CT\\SR", "NumberOfStudyRelatedInstances": "x",
    })  # fmt: skip
    assert study is not None
    assert "\n" not in study.patient_name
    assert "\u202e" not in study.patient_name
    assert study.modalities == ("CT", "SR")
    assert study.instances is None


def test_a_node_that_ignores_keys_does_not_fill_the_table() -> None:
    study = StudyMatch("1.2", modalities=("MR",), study_date="20200101")
    assert not fits(study, Query(modality="CT"))
    assert fits(study, Query(modality="MR"))
    assert not fits(study, Query(modality="", date_from=date(2020, 1, 2)))
    assert fits(replace(study, modalities=()), Query(modality="CT"))


# --- nodes


@pytest.mark.parametrize(
    "node",
    [
        Node("", "A", "h"),
        Node("n", "", "h"),
        Node("n", "SEVENTEEN_LETTERS", "h"),
        Node("n", "BACK\\SLASH", "h"),
        Node("n", "A", "http://h"),
        Node("n", "A", "h", 0),
        Node("n", "A", "h", 70000),
        Node("n", url="ftp://h/x"),
        Node("n", url="https://user:secret@h/x"),
        Node("n", "A", "h", certificate="c.pem"),
        Node("n", "A", "h", addresses=("10.0.0.0/99",)),
    ],
)
def test_a_node_that_could_never_work_is_refused(node: Node) -> None:
    with pytest.raises(InputError):
        node.check()


def test_nodes_survive_the_settings_and_damage_does_not(tmp_path: Path) -> None:
    nodes = (
        Node("PACS", "ARCHIVE", "10.1.2.3", 11112, tls=True, retrieval=Retrieval.MOVE, addresses=("10.1.2.0/24",)),
        Node("Web", url="https://pacs.example/dicom-web", user="reader"),
    )
    stored = stored_nodes(nodes)
    assert nodes_of(stored) == nodes
    damaged = [None, 7, {}, {"name": "x", "surprise": 1}, {**stored[0], "port": "x"}, {**stored[0], "retrieval": "y"}]
    assert nodes_of([*damaged, *stored, stored[0]]) == nodes


def test_passwords_are_kept_in_the_keyring_only(monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring
    from keyring.backend import KeyringBackend

    class Memory(KeyringBackend):
        priority = 1.0  # type: ignore[assignment]

        def __init__(self) -> None:
            super().__init__()
            self.kept: dict[tuple[str, str], str] = {}

        def get_password(self, service: str, username: str) -> str | None:
            return self.kept.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            self.kept[service, username] = password

        def delete_password(self, service: str, username: str) -> None:
            del self.kept[service, username]

    before = keyring.get_keyring()
    try:
        keyring.set_keyring(Memory())
        credentials.set_password("PACS", "secret")
        assert credentials.password("PACS") == "secret"
        credentials.set_password("PACS", "")
        assert credentials.password("PACS") is None
        assert not hasattr(Node("PACS", "A", "h"), "password")

        import keyring.backends.fail

        keyring.set_keyring(keyring.backends.fail.Keyring())
        with pytest.raises(PacsError, match="keyring"):
            credentials.set_password("PACS", "secret")
    finally:
        keyring.set_keyring(before)


def test_a_token_needs_no_user_and_a_service_without_either_no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    web, named, dimse = Node("W", url="https://h/x"), Node("W", url="https://h/x", user="u"), Node("D", "A", "h")
    monkeypatch.setattr(credentials, "password", lambda name: f"token of {name}")
    assert credentials.secret_of(web) == "token of W"
    assert credentials.secret_of(dimse) is None

    def locked(_: str) -> str:
        raise PacsError("no_keyring", "It is locked.")

    monkeypatch.setattr(credentials, "password", locked)
    assert credentials.secret_of(web) is None
    with pytest.raises(PacsError, match="locked"):
        credentials.secret_of(named)


@pytest.mark.parametrize("node", [Node("A", "A", "127.0.0.1", 104), Node("B", url="http://127.0.0.1:1/dicom-web")])
def test_without_the_libraries_it_is_said_what_to_install(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynetdicom", None)
    with pytest.raises(InputError, match=r"hyrisk-desktop\[pacs\]"):
        open_archive(node, OUR_TITLE)
