"""DICOMweb: capabilities, QIDO-RS, WADO-RS and STOW-RS."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from hyrisk_desktop.errors import HyRiskError, PacsError
from hyrisk_desktop.exchange.pacs.association import ANSWER_S, CONNECT_S, require_pacs
from hyrisk_desktop.exchange.pacs.find import sorted_studies, values_of
from hyrisk_desktop.exchange.pacs.node import Node
from hyrisk_desktop.exchange.pacs.query import (
    LIMIT,
    SERIES_KEYS,
    STUDY_KEYS,
    Query,
    SeriesMatch,
    StudyMatch,
    is_uid,
    series_of,
    study_of,
)
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.headers.damage import parsing_errors
from hyrisk_desktop.jobs import CancelToken

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_MOST_IMAGES = 100_000
# A request that will fail again however often it is sent; the next object may pass.
_ABOUT_THE_OBJECT = (400, 409, 413, 415, 422)


class Web:
    """An `archive.Archive` by DICOMweb, which also fetches and stores.

    Args:
        secret: the user's password, or a bearer token where the node names no user.
        cancel: looked at between two requests.
    """

    def __init__(self, node: Node, secret: str | None = None, cancel: CancelToken | None = None) -> None:
        require_pacs()
        from dicomweb_client.web import DICOMwebClient

        node.check()
        self._node, self._cancel = node, cancel
        self._session = session = _session()
        # Nothing of the machine's surroundings decides where patients' data go: no .netrc and no proxy variables.
        session.trust_env = False
        session.verify = node.ca_file or True
        if node.certificate:
            session.cert = (node.certificate, node.key)
        if node.user:
            session.auth = (node.user, secret or "")
        elif secret:
            session.headers["Authorization"] = f"Bearer {secret}"
        self._client = DICOMwebClient(node.url, session=session, timeout=(CONNECT_S, ANSWER_S), permissive_uid=True)
        # Whether to try again is decided where it is known what has arrived.
        self._client.set_http_retry_params(retry=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections, which are kept open between requests."""
        self._session.close()

    def test(self) -> None:
        """Ask for one study, which every DICOMweb archive answers.

        Raises:
            PacsError: it does not; the sentence says why.
        """
        self._ask(lambda: self._client.search_for_studies(limit=1, fields=["StudyInstanceUID"]))

    def find_studies(self, query: Query) -> tuple[StudyMatch, ...]:
        """As `archive.Archive.find_studies`, by QIDO-RS."""
        query.check()
        answers = self._rows(
            lambda: self._client.search_for_studies(
                fuzzymatching=False, limit=LIMIT, fields=list(STUDY_KEYS), search_filters=query.keys()
            )
        )
        return sorted_studies(map(study_of, answers), query)

    def find_series(self, study_uid: str) -> tuple[SeriesMatch, ...]:
        """As `archive.Archive.find_series`, by QIDO-RS."""
        answers = self._rows(lambda: self._client.search_for_series(study_uid, limit=LIMIT, fields=list(SERIES_KEYS)))
        found = (series_of(study_uid, v) for v in answers)
        return tuple({s.series_uid: s for s in found if s is not None}.values())

    def find_images(self, series: Sequence[SeriesMatch]) -> dict[str, tuple[str, ...]]:
        """As `archive.Archive.find_images`."""
        return {s.series_uid: self._images(s) for s in series}

    def _images(self, series: SeriesMatch) -> tuple[str, ...]:
        found: dict[str, None] = {}
        while len(found) < _MOST_IMAGES:
            answers = self._rows(
                lambda: self._client.search_for_instances(
                    series.study_uid, series.series_uid, fields=["SOPInstanceUID"], offset=len(found) or None
                )
            )
            uids = [v.get("SOPInstanceUID", "") for v in answers]
            new = [uid for uid in uids if is_uid(uid) and uid not in found]
            found.update(dict.fromkeys(new))
            # A server may answer in pages, and may not say so.
            if not new or (series.instances is not None and len(found) >= series.instances):
                break
        return tuple(found)

    def has(self, study_uid: str, series_uid: str, sop_uid: str) -> bool:
        """Whether the archive lists an object."""
        answers = self._rows(
            lambda: self._client.search_for_instances(
                study_uid, series_uid, fields=["SOPInstanceUID"], search_filters={"SOPInstanceUID": sop_uid}
            )
        )
        return any(v.get("SOPInstanceUID") == sop_uid for v in answers)

    def object(self, series: SeriesMatch, uid: str) -> tuple[str, bytes]:
        """SOP class UID and bytes of an object, in the encoding in which the archive has it."""
        ds = self._ask(lambda: self._client.retrieve_instance(series.study_uid, series.series_uid, uid))
        try:
            return str(ds.SOPClassUID), _bytes_of(ds)
        except parsing_errors() as e:
            raise PacsError("damaged", tr("{node} sent an object that is damaged.", node=self._node.name)) from e

    def store(self, ds: Dataset) -> None:
        """STOW-RS of one object.

        Raises:
            PacsError: the archive did not take it.
        """
        stored, code = self._ask(lambda: _outcome(self._client.store_instances([ds])))
        if str(ds.SOPInstanceUID) not in stored:
            why = "" if code is None else f" (0x{code:04X})"
            raise PacsError("refused", tr("{node} did not take the object{why}.", node=self._node.name, why=why))

    def _rows(self, request: Any) -> list[dict[str, str]]:
        """The answers to a search, as text by keyword."""
        rows: list[dict[str, str]] = self._ask(lambda: [_values(answer) for answer in request()])
        return rows

    def _ask(self, request: Any) -> Any:
        """The answer to a request; every failure becomes one sentence."""
        import requests

        if self._cancel:
            self._cancel.raise_if_cancelled()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return request()
        except HyRiskError:
            raise
        except requests.exceptions.SSLError as e:
            raise PacsError(
                "untrusted",
                tr("{node} shows a certificate that is not trusted, or does not speak TLS.", node=self._node.name),
            ) from e
        except requests.exceptions.Timeout as e:
            raise PacsError("timeout", tr("{node} does not answer; check the address.", node=self._node.name)) from e
        except requests.exceptions.HTTPError as e:
            code = "refused" if getattr(e.response, "status_code", 0) in _ABOUT_THE_OBJECT else "http"
            raise PacsError(code, _http_sentence(self._node, e.response)) from e
        except (requests.exceptions.RequestException, OSError) as e:
            raise PacsError(
                "connection_lost", tr("{node} can't be reached, or the connection broke off.", node=self._node.name)
            ) from e
        except parsing_errors() as e:  # the client passes on what its parsers raise on a strange answer
            raise PacsError(
                "bad_answer", tr("{node} gave an answer that is no DICOMweb; check the address.", node=self._node.name)
            ) from e


def _session() -> Any:
    import requests

    class Session(requests.Session):
        """Leaves wildcards as they are: they may stand in a query (RFC 3986, 3.4), and Orthanc takes only those."""

        def prepare_request(self, request: Any) -> Any:
            prepared = super().prepare_request(request)
            prepared.url = (prepared.url or "").replace("%2A", "*").replace("%3F", "?")
            return prepared

    return Session()


def _http_sentence(node: Node, response: Any) -> str:
    status = getattr(response, "status_code", 0)
    if status in (401, 403):
        return tr("{node} refuses user and password, or this user may not do that.", node=node.name)
    if status == 404:
        return tr("{node} knows nothing at this address; check its path.", node=node.name)
    return tr("{node} could not answer (HTTP {status}).", node=node.name, status=status)


def _values(answer: Any) -> dict[str, str]:
    """One answer; attributes that can't be decoded are left out, and cost neither the others nor other answers."""
    from pydicom.dataset import Dataset

    found: dict[str, str] = {}
    for tag, attribute in answer.items():
        with contextlib.suppress(Exception):  # pydicom raises of every kind on hostile values
            found |= values_of(Dataset.from_json({tag: attribute}))
    return found


def _outcome(answer: Any) -> tuple[set[str], int | None]:
    """What a STOW-RS response says: UIDs stored, and the first reason of a failure."""
    stored = {str(item.get("ReferencedSOPInstanceUID", "")) for item in answer.get("ReferencedSOPSequence") or ()}
    failed = answer.get("FailedSOPSequence") or ()
    code = failed[0].get("FailureReason") if failed else None
    return stored, code if isinstance(code, int) else None


def _bytes_of(ds: Dataset) -> bytes:
    stream = io.BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
