"""What the folder of a de-identified export holds, and under which names; light enough for a dialog to ask."""

from __future__ import annotations

from hyrisk_desktop.i18n import tr

IMAGES = "ct"
SR, SEG, PDF, FHIR, READING = "structured_report.dcm", "segmentation.dcm", "report.pdf", "fhir.json", "reading.json"
DEFAULT_READER = "Reader 1"
"""What stands for the reader's name: in files that machines read, so in every language."""


def contents() -> dict[str, str]:
    """What each file is, by name."""
    return {
        f"{IMAGES}/": tr("the CT images, as new DICOM objects"),
        SR: tr("DICOM structured report"),
        SEG: tr("DICOM segmentation: counted calcifications"),
        PDF: tr("the report on one page"),
        FHIR: tr("FHIR R4 bundle"),
        READING: tr("every number and finding, for programs"),
    }
