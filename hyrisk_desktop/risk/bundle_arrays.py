"""A bundle's network as numpy's arrays: what `bundle.load_bundle` reads, without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.risk.bundle import (
    ModelBundle,
    check_widths,
    malformed,
    parse_description,
    read_sealed,
    read_weights,
)

Arrays = dict[str, NDArray[np.generic]]


def load_arrays(directory: Path) -> tuple[ModelBundle, Arrays]:
    """Read a bundle and check both hashes; the network's numbers by torch's names, in the precision they are stored in.

    Raises:
        BundleError: missing, damaged (hash mismatch), unreadable or of another schema version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    data = read_sealed(directory)
    try:
        arrays: Arrays = load(read_weights(directory, data))
        statistics = {key: arrays.pop(key).astype(np.float32) for key in tuple(arrays) if key.startswith("novelty.")}
        bundle = parse_description(directory, data, statistics)
        check_widths(bundle, arrays["image_head.weight"].shape[-1])
    except (SafetensorError, KeyError, IndexError, TypeError, ValueError) as e:
        raise malformed(directory) from e
    return bundle, arrays
