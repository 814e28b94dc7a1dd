"""The one-page report inside a DICOM object (Encapsulated PDF IOD, PS3.3 A.45.1), so that an archive keeps it with the exam."""

from __future__ import annotations

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from hyrisk_desktop.exchange import dicom_values as v
from hyrisk_desktop.exchange.reports import codes as c
from hyrisk_desktop.exchange.reports.report import PRODUCT, VERSION, Report
from hyrisk_desktop.exchange.reports.source_images import SourceImages
from hyrisk_desktop.i18n import tr

SERIES_NUMBER = 9903
PDF_CLASS = "1.2.840.10008.5.1.4.1.1.104.1"


def encapsulated_pdf(report: Report, source: SourceImages, pdf: bytes) -> Dataset:
    """A data set that holds ``pdf``, of the study of the images and with references to those on its key images."""
    ds = Dataset()
    for keyword in source.study.dir():
        if keyword not in ("SeriesInstanceUID", "FrameOfReferenceUID"):
            ds[keyword] = source.study[keyword]
    ds.SOPClassUID, ds.SOPInstanceUID = PDF_CLASS, v.new_uid()
    _series(ds, report)
    _document(ds, report, pdf)
    centre = source.slices[report.measurement.centre[2]]
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = centre.sop_class_uid, centre.sop_instance_uid
    if centre.frame is not None:
        reference.ReferencedFrameNumber = centre.frame
    ds.SourceInstanceSequence = [reference]
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.file_meta = meta
    return ds


def _series(ds: Dataset, report: Report) -> None:
    said = tr("SYNTHETIC HyRisk report, research use only")
    ds.Modality = "DOC"
    ds.SeriesInstanceUID, ds.SeriesNumber, ds.InstanceNumber = v.new_uid(), SERIES_NUMBER, 1
    ds.SeriesDescription = v.long_text(said if report.volume.synthetic else tr("HyRisk report, research use only"))
    ds.Manufacturer = ds.ManufacturerModelName = PRODUCT
    ds.DeviceSerialNumber = ds.SoftwareVersions = VERSION
    ds.ConversionType = "WSD"


def _document(ds: Dataset, report: Report, pdf: bytes) -> None:
    ds.ContentDate = report.read_at.strftime("%Y%m%d")
    ds.ContentTime = report.read_at.strftime("%H%M%S")
    ds.AcquisitionDateTime = ""
    ds.BurnedInAnnotation = "YES"
    ds.DocumentTitle = tr("HyRisk report, research use only")
    ds.VerificationFlag = "UNVERIFIED"
    name = Dataset()
    name.CodeValue, name.CodingSchemeDesignator = c.REPORT_TITLE.value, c.REPORT_TITLE.scheme_designator
    name.CodeMeaning = c.REPORT_TITLE.meaning
    ds.ConceptNameCodeSequence = [name]
    ds.MIMETypeOfEncapsulatedDocument = "application/pdf"
    # DICOM values have an even length; the true one stands beside it.
    ds.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    ds.EncapsulatedDocumentLength = len(pdf)
