"""Synthetic chest-like DICOM series, whole or with a fault put in: the raw material of the imaging tests."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian

ROOT = "1.2.826.0.1.3680043.10.9999"
PIXEL = (0.8, 0.7)
"""PixelSpacing unless a test asks for another: mm between rows, then between columns; never square, so that none stands in for the other."""
Edit = Callable[[list[Dataset]], list[Dataset] | None]


def anatomy(count: int, rows: int, columns: int, seed: int = 0) -> NDArray[np.int16]:
    """HU [z, y, x], feet to head: body, two lungs and a heart that change slowly from slice to slice."""
    rng = np.random.default_rng(seed)
    z, y, x = np.ogrid[0:count, 0:rows, 0:columns]
    u, v, w = (x - columns / 2) / columns, (y - rows / 2) / rows, (z - count / 2) / max(count, 8)
    body = (u / 0.42) ** 2 + (v / 0.32) ** 2 + 0.2 * w * w < 1
    hu = np.where(body, 40, -1000).astype(np.float32)
    for side in (-1, 1):
        hu[((u - side * 0.2) / 0.15) ** 2 + (v / 0.24) ** 2 + (w / 0.6) ** 2 < 1] = -850
    hu[((u - 0.05) / 0.12) ** 2 + ((v + 0.04) / 0.12) ** 2 + (w / 0.35) ** 2 < 1] = 45
    hu += rng.normal(0, 15, hu.shape).astype(np.float32)
    hu[..., 0, 0] = -1024 + (np.arange(count) % 7)  # a mark at one corner, to notice flips
    return np.clip(np.rint(hu), -1024, 3071).astype(np.int16)


def slices(
    count: int = 12,
    rows: int = 64,
    columns: int = 64,
    *,
    increment: float = 2.5,
    pixel: tuple[float, float] = PIXEL,
    origin: tuple[float, float, float] = (-180.0, -170.0, -300.0),
    orientation: Sequence[float] = (1, 0, 0, 0, 1, 0),
    slope: float = 1,
    intercept: float = -1024,
    seed: int = 0,
    series: str = "1",
) -> list[Dataset]:
    """Data sets of an axial series, feet to head, InstanceNumber from the head down as scanners do.

    Args:
        count, rows, columns: size. increment, pixel, origin: mm. orientation: ImageOrientationPatient.
        slope, intercept: of the stored values. seed: of the noise. series: part of the UIDs.
    """
    hu = anatomy(count, rows, columns, seed)
    stored = np.rint((hu - intercept) / slope)
    row, column = np.array(orientation[:3], float), np.array(orientation[3:], float)
    normal = np.cross(row, column)
    made = []
    for z in range(count):
        ds = _patient(series)
        ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, f"{ROOT}.{series}.3.{z + 1}"
        ds.InstanceNumber = count - z
        ds.ImagePositionPatient = [float(f"{p:.6f}") for p in np.array(origin) + normal * z * increment]
        ds.ImageOrientationPatient = [float(o) for o in orientation]
        ds.PixelSpacing = list(pixel)
        ds.SliceThickness = increment
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = slope, intercept, "HU"
        signed = bool(stored.min() < 0)
        set_pixels(ds, stored[z].astype(np.int16 if signed else np.uint16))
        made.append(ds)
    return made


def _patient(series: str) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.Modality, ds.Manufacturer, ds.ManufacturerModelName = "CT", "SIEMENS", "Synthetic"
    ds.PatientName, ds.PatientID, ds.PatientSex, ds.PatientBirthDate = "Test^Person", "T-1", "F", "19500101"
    ds.StudyDate, ds.StudyTime, ds.SeriesDescription = "20200102", "101112", "Thorax low dose"
    ds.KVP, ds.ConvolutionKernel, ds.PatientPosition = "120", "B30f", "HFS"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"{ROOT}.1", f"{ROOT}.{series}.2"
    ds.FrameOfReferenceUID = f"{ROOT}.4"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    return ds


def set_pixels(ds: Dataset, stored: NDArray[Any]) -> None:
    """Put stored values [row, column] into a data set."""
    bits = stored.dtype.itemsize * 8
    ds.Rows, ds.Columns = stored.shape[-2:]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
    ds.PixelRepresentation = int(stored.dtype.kind == "i")
    ds.PixelData = stored.tobytes()
    ds["PixelData"].VR = "OW" if bits > 8 else "OB"


def write(datasets: Sequence[Dataset], folder: Path, syntax: str | None = None) -> Path:
    """Write data sets as files of a folder, in an order that says nothing about their positions."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, ds in enumerate(datasets):
        name = (number * 7919) % 10007
        write_one(ds, folder / f"I{name:05d}.dcm", syntax)
    return folder


def write_one(ds: Dataset, path: Path, syntax: str | None = None) -> Path:
    """Write one data set; ``syntax`` overrides its (uncompressed) transfer syntax."""
    ds = copy.copy(ds)
    meta = copy.copy(ds.file_meta)
    ds.file_meta = meta
    if syntax:
        meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = ds.get("SOPClassUID", CTImageStorage)
    if "MediaStorageSOPInstanceUID" not in meta:
        meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID", f"{ROOT}.9")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if syntax == "1.2.840.10008.1.2.2":
            ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
        # Not enforced: that would repair a fault put into the file meta group.
        ds.preamble = bytes(128)
        pydicom.dcmwrite(path, ds, enforce_file_format=False)
    return path


def enhanced(count: int = 8, rows: int = 32, columns: int = 32, *, increment: float = 2.5) -> Dataset:
    """A valid enhanced CT: one file, frames in head-to-feet order, functional groups for place and scale."""
    parts = slices(count, rows, columns, increment=increment)[::-1]
    ds = _patient("7")
    for keyword in ("ConvolutionKernel", "KVP"):
        delattr(ds, keyword)
    ds.SOPClassUID, ds.SOPInstanceUID, ds.InstanceNumber = EnhancedCTImageStorage, f"{ROOT}.7.3", 1
    ds.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    set_pixels(ds, np.frombuffer(parts[0].PixelData, np.uint16).reshape(rows, columns))
    ds.PixelData = b"".join(part.PixelData for part in parts)
    ds.NumberOfFrames = count
    shared, reconstruction = Dataset(), Dataset()
    shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]
    shared.PixelMeasuresSequence = [_item(PixelSpacing=list(PIXEL), SliceThickness=increment)]
    shared.PixelValueTransformationSequence = [_item(RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU")]
    reconstruction.ConvolutionKernel = "B30f"
    shared.CTReconstructionSequence = [reconstruction]
    ds.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for part in parts:
        group = Dataset()
        group.PlanePositionSequence = [_item(ImagePositionPatient=part.ImagePositionPatient)]
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = groups
    return ds


def _item(**values: Any) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item
