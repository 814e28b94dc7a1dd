"""CT objects as a hostile or a careless peer writes them: byte by byte, as pydicom would refuse many of the values."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from hypothesis import strategies as st
from pydicom.datadict import tag_for_keyword
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from hyrisk_desktop.errors import HyRiskError
from tests.helpers import readings
from tests.helpers.dicom_series import ROOT

MARK = "Zqplanted"
"""Stands in every planted text: what speaks of it repeats what a peer wrote."""
UID_MARK = "4711.815815"
_M = MARK.encode()
_LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")

# By what stands in SpecificCharacterSet: a name as PS3.5 (annexes H to L) or users of that language would write it.
NAMES: dict[bytes, bytes] = {
    b"": b"Doe^Jane",
    b"ISO_IR 6": b"Doe^Jane^^Dr.",
    b"ISO_IR 13": "ﾔﾏﾀﾞ^ﾀﾛｳ".encode("shift_jis"),
    b"ISO_IR 100": "Müller^Jürgen".encode("latin-1"),
    b"ISO_IR 101": "Wałęsa^Łucja".encode("iso8859-2"),
    b"ISO_IR 109": "Ĝoĉo^Ĥora".encode("iso8859-3"),
    b"ISO_IR 126": "Διονυσιος^Νίκη".encode("iso8859-7"),
    b"ISO_IR 127": "قباني^لنزار".encode("iso8859-6"),
    b"ISO_IR 138": "שרון^דבורה".encode("iso8859-8"),
    b"ISO_IR 144": "Люкceмбypг^Анна".encode("iso8859-5"),
    b"ISO_IR 166": "สมชาย^ใจดี".encode("iso8859-11"),
    b"\\ISO 2022 IR 87": "Yamada^Tarou=山田^太郎=やまだ^たろう".encode("iso2022_jp"),
    b"ISO 2022 IR 13\\ISO 2022 IR 87": "ﾔﾏﾀﾞ^ﾀﾛｳ=".encode("shift_jis") + "山田^太郎".encode("iso2022_jp"),
    b"\\ISO 2022 IR 149": b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
    b"\\ISO 2022 IR 58": b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
    b"ISO_IR 192": "Wang^XiaoDong=王^小東= Ødegård^Zoë".encode(),
    b"GB18030": "王^小东".encode("gb18030"),
}
_UNKNOWN_SETS = (b"ISO_IR 999", b"../../etc", b"ISO_IR 100\\ISO_IR 192\\ISO 2022 IR 87", b"\xff\xfe", b"utf-8 " * 40)

NASTY = (
    b"../../../../../../tmp/" + _M, b"..\\..\\" + _M, b"C:\\" + _M + b"\\con", b"//host/share/" + _M, b"/tmp/" + _M + b"\0.dcm",
    b"\\\\?\\" + _M, b"~/" + _M, b"file:///tmp/" + _M, b"%2e%2e%2f" + _M, _M + b"\r\nX-Header: 1", b"\x1b[31m" + _M, _M + b"\x07\x08\x7f",
    _M + b"\x1b$B", b"\x1b$)C" + _M, "\u202egpj.".encode() + _M, "\u2066\u200f".encode() + _M + "\u2028\ufeff".encode(),
    "\ud800".encode("utf-8", "surrogatepass") + _M, b"\xed\xa0\xbd\xed\xb8\x80" + _M, b"=HYPERLINK(\"http://x/\",\"" + _M + b"\")",
    b"@SUM(1)" + _M, b"+1+" + _M, b"-2+cmd|' /C calc'!" + _M, b"\t=1+" + _M, "\uff1d1+".encode() + _M, b"x;=1+" + _M,
    b"<script>" + _M + b"</script>&amp;", b"'; DROP TABLE objects; --" + _M, b"{0}{node}%s%n" + _M, b"(\\) Tj ET " + _M, _M * 130,
    b"^" * 70 + _M, b"=" * 9 + _M, b"^".join([_M] * 8), b"\\".join([_M] * 5), b"\\" * 9 + _M, _M + b"\xff" * 9, "é".encode() * 40 + _M,
    b"", b" ", b"\0", b"nan", b"1e999", b"-", b"00000000", b"99999999",
)  # fmt: skip

TEXTS = (
    "PatientName", "PatientID", "AccessionNumber", "StudyDescription", "SeriesDescription", "InstitutionName", "StationName",
    "ReferringPhysicianName", "ConvolutionKernel", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "Manufacturer", "ManufacturerModelName", "KVP", "ProtocolName", "ContrastBolusAgent", "BodyPartExamined", "PatientAge",
)  # fmt: skip
_VRS = {
    "PatientName": b"PN", "ReferringPhysicianName": b"PN", "AccessionNumber": b"SH", "StationName": b"SH", "ConvolutionKernel": b"SH",
    "PatientBirthDate": b"DA", "PatientSex": b"CS", "StudyDate": b"DA", "StudyTime": b"TM", "StudyID": b"SH", "KVP": b"DS",
    "BodyPartExamined": b"CS", "PatientAge": b"AS",
}  # fmt: skip
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID")
_WRONG_VRS = (b"US", b"FD", b"AT", b"OB", b"UN", b"SQ", b"UI", b"DS", b"DT", b"UR", b"LT")
_PLAIN_UID = f"{ROOT}.{UID_MARK}".encode()
BAD_UIDS = (
    b"", b"0", b" ", b"\0\0", b"../../../../tmp/" + _M, b"/etc/" + _M, b"C:\\" + _M, b"1.2." + _M, b"1..2." + UID_MARK.encode(),
    b".1.2", b"1.2.", b"1.2\\1.3", b"1.2\n1", b"1.2\0.3", "١.٢".encode(), b"1.2;1", b"-1.2", b"1.2.3" * 30, _PLAIN_UID + b"." + b"9" * 40,
)  # fmt: skip


def check_sentence(error: HyRiskError) -> None:
    """Whether what a person is told is one line, ends like a sentence, and quotes nothing that a peer wrote."""
    assert MARK not in error.message
    assert error.message.isprintable()
    assert error.message[-1] in ".?!"


@dataclass(frozen=True)
class Element:
    """One element as it stands in the file."""

    vr: bytes
    value: bytes

    def encoded(self, tag: int) -> bytes:
        value = self.value + (b"" if len(self.value) % 2 == 0 else b"\0" if self.vr in (b"UI", b"OB", b"UN") else b" ")
        head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, self.vr)
        return head + struct.pack(*(("<HI", 0, len(value)) if self.vr in _LONG else ("<H", len(value)))) + value


@dataclass(frozen=True)
class Hostile:
    """What an exam's headers say. None for an element that is missing; UIDs of slices get their number at the end."""

    elements: Mapping[str, Element | None]
    uids: Mapping[str, bytes | None]

    def slice(self, z: int) -> RawObject:
        """The ``z``-th image of the exam (`readings.calcified`); beyond the last, the first ones under new numbers."""
        plain = _plain_slices()
        elements: dict[int, Element | None] = dict(plain[z % len(plain)])
        named = dict(self.uids)
        if (own := named.get("SOPInstanceUID")) is not None and _is_numbered(own):
            number = b".%d" % (10 + z)
            named["SOPInstanceUID"] = own[: 64 - len(number)].rstrip(b".") + number
        elements |= {_tag(k): e for k, e in self.elements.items()}
        elements |= {_tag(k): None if uid is None else Element(b"UI", uid) for k, uid in named.items()}
        data = b"".join(e.encoded(tag) for tag, e in sorted(elements.items()) if e is not None)
        return RawObject(named.get("SOPInstanceUID") or b"", data)

    @property
    def sound(self) -> bool:
        """Whether all UIDs that an object must have are in order."""
        return not any(uid is None or uid in BAD_UIDS for uid in self.uids.values())


def _is_numbered(uid: bytes) -> bool:
    return uid not in BAD_UIDS


@dataclass(frozen=True)
class RawObject:
    """A data set in bytes (explicit, little endian), and the instance UID that its sender says it has."""

    sop_uid: bytes
    data: bytes

    def file(self) -> bytes:
        """The bytes of a DICOM file; its meta group says the same as the data set."""
        meta = {
            0x00020001: Element(b"OB", b"\0\1"),
            0x00020002: Element(b"UI", CTImageStorage.encode()),
            0x00020003: Element(b"UI", self.sop_uid),
            0x00020010: Element(b"UI", ExplicitVRLittleEndian.encode()),
        }
        group = b"".join(e.encoded(tag) for tag, e in meta.items())
        return (
            bytes(128) + b"DICM" + Element(b"UL", struct.pack("<I", len(group))).encoded(0x00020000) + group + self.data
        )


@cache
def _plain_slices() -> tuple[dict[int, Element], ...]:
    return tuple(_elements_of(ds) for ds in readings.calcified())


def _elements_of(ds: object) -> dict[int, Element]:
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    write_dataset(stream, ds)  # type: ignore[arg-type]
    data, at, found = stream.getvalue(), 0, dict[int, Element]()
    while at < len(data):
        group, number, vr = struct.unpack_from("<HH2s", data, at)
        start, length = (
            (at + 12, struct.unpack_from("<I", data, at + 8)[0])
            if vr in _LONG
            else (at + 8, struct.unpack_from("<H", data, at + 6)[0])
        )
        found[group << 16 | number] = Element(vr, data[start : start + length])
        at = start + length
    return found


def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return tag


PLAIN = Hostile({}, {"SOPInstanceUID": ROOT.encode() + b".5"})


@st.composite
def charsets(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A declared character set and a name: mostly in that very set."""
    declared = draw(st.sampled_from(sorted(NAMES)))
    name = NAMES[declared]
    if draw(st.integers(0, 3)) == 0:
        declared = draw(st.sampled_from((*_UNKNOWN_SETS, *sorted(NAMES))))
    return declared, name + draw(st.sampled_from((b"", b"^" + _M)))


def values() -> st.SearchStrategy[bytes]:
    """The bytes of one value that means harm, or none."""
    return st.one_of(st.sampled_from(NASTY), st.binary(max_size=60).map(lambda b: b + _M))


@st.composite
def elements(draw: st.DrawFn) -> dict[str, Element | None]:
    """Texts of a header, some missing, some of the wrong kind."""
    declared, name = draw(charsets())
    made: dict[str, Element | None] = {"SpecificCharacterSet": Element(b"CS", declared)}
    for keyword in draw(st.lists(st.sampled_from(TEXTS), min_size=4, max_size=len(TEXTS), unique=True)):
        vr = _VRS.get(keyword, b"LO")
        kind = draw(st.integers(0, 11))
        if kind == 0:
            made[keyword] = None
        elif kind == 1:
            made[keyword] = Element(draw(st.sampled_from(_WRONG_VRS)), draw(values()))
        elif kind < 4 or (vr == b"PN" and kind < 8):
            made[keyword] = Element(vr, name)
        else:
            made[keyword] = Element(vr, draw(values()))
    return made


@st.composite
def exams(draw: st.DrawFn, *, bad_uids: bool = True) -> Hostile:
    """The headers of an exam; with ``bad_uids``, every third has identifiers that are none."""
    number, form = (
        draw(st.integers(1, 10**6)),
        draw(st.sampled_from((b"%b.%d.%d", b"1.02.003.%b.%d.%d", b"%b.%d.%d.7"))),
    )
    uids: dict[str, bytes | None] = {k: form % (_PLAIN_UID, number, n) for n, k in enumerate(UIDS)}
    if form.endswith(b"7"):
        # As long as a UID may be.
        uids = {k: (uid or b"").ljust(64, b"7") for k, uid in uids.items()}
    if bad_uids and draw(st.integers(0, 2)) == 0:
        for keyword in draw(st.lists(st.sampled_from(UIDS), min_size=1, max_size=4, unique=True)):
            uids[keyword] = draw(st.sampled_from((*BAD_UIDS, None)))
    return Hostile(draw(elements()), uids)
