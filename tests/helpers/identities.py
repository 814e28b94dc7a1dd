"""An exam that names its patient in every place that DICOM, and files, have for it."""

from __future__ import annotations

import re
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from tests.helpers import dicom_series, readings

MARK = "Zq"
"""Every planted text begins with it, and nothing else does: then what is found was planted."""

TEXTS = {
    "PatientName": "{m}Family^{m}Given^{m}Middle^{m}Prefix^{m}Suffix",
    "PatientID": "{m}ID471147",
    "IssuerOfPatientID": "{m}Issuer",
    "OtherPatientIDs": "{m}Other815815",
    "OtherPatientNames": "{m}Alias^{m}Alias2",
    "PatientBirthName": "{m}Maiden^{m}Name",
    "PatientMotherBirthName": "{m}Mother^{m}Name",
    "PatientAddress": "{m}Street 12, {m}Town",
    "PatientTelephoneNumbers": "{m}+49 711 4711",
    "PatientComments": "{m}comment of the patient",
    "PatientReligiousPreference": "{m}Religion",
    "EthnicGroup": "{m}Ethnic",
    "Occupation": "{m}Occupation",
    "MilitaryRank": "{m}Rank",
    "BranchOfService": "{m}Branch",
    "CountryOfResidence": "{m}Country",
    "AdditionalPatientHistory": "{m}History of the patient",
    "MedicalAlerts": "{m}Alerts",
    "Allergies": "{m}Allergies",
    "InstitutionName": "{m}Hospital",
    "InstitutionAddress": "{m}Avenue 3",
    "InstitutionalDepartmentName": "{m}Department",
    "StationName": "{m}STATION",
    "DeviceSerialNumber": "{m}SERIAL",
    "ReferringPhysicianName": "{m}Referring^{m}Doctor",
    "PerformingPhysicianName": "{m}Performing^{m}Doctor",
    "NameOfPhysiciansReadingStudy": "{m}Reading^{m}Doctor",
    "PhysiciansOfRecord": "{m}Record^{m}Doctor",
    "OperatorsName": "{m}Operator^{m}Op",
    "RequestingPhysician": "{m}Requesting^{m}Doctor",
    "AccessionNumber": "{m}ACC0815",
    "StudyID": "{m}STUDY17",
    "StudyDescription": "{m}Chest for {m}Family",
    "SeriesDescription": "{m}Thorax {m}Family",
    "ProtocolName": "{m}Protocol",
    "ImageComments": "{m}comment of the image",
    "RequestedProcedureDescription": "{m}Requested",
    "PerformedProcedureStepDescription": "{m}Performed",
    "AdmissionID": "{m}ADM1",
    "ReasonForStudy": "{m}Reason",
    "ContrastBolusAgent": "{m}Agent",
    "SoftwareVersions": "{m}Software",
    "Manufacturer": "{m}Maker",
    "ManufacturerModelName": "{m}Model",
    "ConvolutionKernel": "{m}Kernel",
    "FilterType": "{m}FILTER",
    "BodyPartExamined": "{m}PART",
    "ScanOptions": "{m}OPTION",
    "ClinicalTrialSubjectID": "{m}Trial",
    "ClinicalTrialSiteName": "{m}Site",
    "DerivationDescription": "{m}Derived",
    "DeidentificationMethod": "{m}Method",
    "PositionReferenceIndicator": "{m}Indicator",
    "FrameComments": "{m}frame",
    "TextComments": "{m}text comments",
}
DATES = (
    "PatientBirthDate", "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "InstanceCreationDate",
    "PerformedProcedureStepStartDate", "ScheduledProcedureStepStartDate", "LastMenstrualDate",
)  # fmt: skip
TIMES = ("PatientBirthTime", "StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime", "InstanceCreationTime")
SEQUENCES = (
    "RequestAttributesSequence", "ContributingEquipmentSequence", "OriginalAttributesSequence", "DigitalSignaturesSequence",
    "ReferencedStudySequence", "ReferencedPatientSequence", "OtherPatientIDsSequence", "InstitutionCodeSequence",
    "ProcedureCodeSequence", "SourceImageSequence", "ReferencedImageSequence", "PersonIdentificationCodeSequence",
    "DeidentificationMethodCodeSequence", "IconImageSequence",
)  # fmt: skip


def planted(*, charset: str = "ISO_IR 192") -> list[Dataset]:
    """The calcified exam of `readings`, with a mark wherever somebody could be named."""
    made = readings.calcified()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some values break DICOM's rules, as those of real exams do
        for number, ds in enumerate(made):
            _plant(ds, charset, number)
    return made


def _plant(ds: Dataset, charset: str, number: int) -> None:
    ds.SpecificCharacterSet = charset
    for keyword, text in TEXTS.items():
        setattr(ds, keyword, text.format(m=MARK))
    for n, keyword in enumerate(DATES):
        setattr(ds, keyword, f"1953{n + 1:02d}17")
    for n, keyword in enumerate(TIMES):
        setattr(ds, keyword, f"0{n}3947.531")
    ds.AcquisitionDateTime, ds.PatientAge = "19531117083947.531", "067Y"
    ds.PatientWeight, ds.PatientSize = "71.3", "1.73"
    ds.IrradiationEventUID, ds.DeviceUID = f"{dicom_series.ROOT}.77.{number}", f"{dicom_series.ROOT}.78"
    for keyword in SEQUENCES:
        setattr(ds, keyword, Items([_nested(keyword)]))
    _plant_groups(ds)


def _nested(keyword: str) -> Dataset:
    inner, outer = Dataset(), Dataset()
    inner.PersonName = f"{MARK}Deep{keyword[:9]}^{MARK}Deeper"
    inner.InstitutionName, inner.ReferencedSOPInstanceUID = f"{MARK}Deep{keyword[:9]}", f"{dicom_series.ROOT}.79.1"
    inner.add_new(0x00111010, "LO", f"{MARK}private deep")
    outer.ContentSequence = Items([inner])
    outer.CodeMeaning, outer.PatientID, outer.Manufacturer = (
        f"{MARK}Meaning",
        f"{MARK}ID in {keyword[:9]}",
        f"{MARK}Maker2",
    )
    outer.ContributionDateTime = "19531217083947"
    return outer


def _plant_groups(ds: Dataset) -> None:
    """Private groups, overlay, curve, what lies behind the pixels, and the file meta group."""
    ds.add_new(0x00090010, "LO", f"{MARK}CREATOR")
    ds.add_new(0x00091001, "LO", f"{MARK}private text")
    ds.add_new(0x00091002, "UN", f"{MARK}private bytes".encode())
    ds.add_new(0x00091003, "OB", f"\0\1{MARK}private binary\0".encode())
    ds.add_new(0x00091004, "UT", f"{MARK}private long text")
    ds.add_new(0x60000010, "US", 16)
    ds.add_new(0x60000011, "US", 16)
    ds.add_new(0x60000022, "LO", f"{MARK}overlay")
    ds.add_new(0x60003000, "OW", f"{MARK}overlay bits".encode().ljust(32, b"\0"))
    ds.add_new(0x50000022, "LO", f"{MARK}curve")
    ds.add_new(0x50003000, "OW", f"{MARK}curve data".encode().ljust(16, b"\0"))
    ds.add_new(0xFFFCFFFC, "OB", f"{MARK}trailing".encode().ljust(16, b"\0"))
    ds.add_new(0xFFFAFFFA, "SQ", Items([_nested("Signature")]))
    ds.file_meta.SourceApplicationEntityTitle = f"{MARK}AETITLE"
    ds.file_meta.SendingApplicationEntityTitle = f"{MARK}SENDER"
    ds.file_meta.PrivateInformationCreatorUID = f"{dicom_series.ROOT}.80"
    ds.file_meta.PrivateInformation = f"{MARK}meta".encode()


def write(datasets: Sequence[Dataset], folder: Path) -> Path:
    """Write the exam under names that tell, with a preamble and trailing bytes that do."""
    dicom_series.write(datasets, folder)
    for path in sorted(folder.iterdir()):
        data = bytearray(path.read_bytes())
        mark = f"{MARK}preamble".encode()
        data[: len(mark)] = mark
        path.write_bytes(bytes(data))
        path.rename(folder / f"{MARK}Family_{path.name}")
    return folder


def moments() -> set[str]:
    """All planted dates and times, in the forms in which somebody could write them."""
    dates = [f"1953{n + 1:02d}17" for n in range(len(DATES))] + ["19531117", "19531217"]
    forms = {f for d in dates for f in (d, f"{d[:4]}-{d[4:6]}-{d[6:]}", f"{d[6:]}.{d[4:6]}.{d[:4]}")}
    return forms | {f"0{n}3947" for n in range(len(TIMES))} | {"083947", "08:39:47"}


def uids(datasets: Sequence[Dataset]) -> set[str]:
    """All UIDs of the exam that DICOM itself does not define."""
    found = set()
    for ds in datasets:
        for element in ds.iterall():
            if element.VR == "UI" and not str(element.value).startswith("1.2.840.10008."):
                found.add(str(element.value))
    return found


def everything_in(path: Path) -> bytes:
    """A file's bytes, and those of each deflated stream in it, without random UIDs."""
    data = path.read_bytes()
    streams = [data[m.end() :] for m in re.finditer(rb"(?<!end)stream\r?\n", data)] if path.suffix == ".pdf" else []
    # Six digits are found in a hundred random UIDs by chance; the planted ones are of another root.
    return re.sub(rb"2\.25\.[0-9]{20,}", b"", b"\n".join([data, *(_inflated(stream) for stream in streams)]))


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data)
    except zlib.error:
        return b""


def written_as(text: str) -> set[bytes]:
    """The bytes of a text in the encodings in which it could stand in a file."""
    return {text.encode(coding) for coding in ("utf-8", "utf-16-le", "utf-16-be")}
