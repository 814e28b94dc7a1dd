"""Which objects are exchanged, and how they may be encoded on the way."""

from __future__ import annotations

from hyrisk_desktop.imaging.headers.header import EXPLICIT_LE, IMPLICIT_LE

CT_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2": "CT Image",
    "1.2.840.10008.5.1.4.1.1.2.1": "Enhanced CT Image",
    "1.2.840.10008.5.1.4.1.1.2.2": "Legacy Converted Enhanced CT Image",
}
RESULT_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.88.33": "Comprehensive SR",
    "1.2.840.10008.5.1.4.1.1.88.34": "Comprehensive 3D SR",
    "1.2.840.10008.5.1.4.1.1.66.4": "Segmentation",
    "1.2.840.10008.5.1.4.1.1.104.1": "Encapsulated PDF",
}
RETRIEVED_MODALITIES = ("CT", "SR", "SEG")
"""Series of a study worth fetching: the images, and reports that may be our own and bring a reading back."""

# What the decoders of this program do not know is not asked for: the node then sends it decoded, or not at all.
TRANSFER_SYNTAXES = (
    EXPLICIT_LE,
    IMPLICIT_LE,
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
)
PLAIN_SYNTAXES = (EXPLICIT_LE, IMPLICIT_LE)
