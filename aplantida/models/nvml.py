"""What NVIDIA's driver says of itself, by its own library: also where torch cannot use it, because it is too old."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

_LIBRARY = "libnvidia-ml.so.1"  # comes with the driver
_TEXT_BYTES = 80
_MISMATCH = 18  # NVML_ERROR_LIB_RM_VERSION_MISMATCH: the kernel still runs the driver from before an update


@dataclass(frozen=True)
class Driver:
    """An installed driver.

    Attributes:
        version: e.g. ``535.183.01``; empty when the library and the kernel disagree on it.
        cuda: the newest CUDA it can run, e.g. ``12.2``; empty likewise.
        num_cards: that it drives.
    """

    version: str
    cuda: str
    num_cards: int


def installed_driver() -> Driver | None:
    """The driver and its cards; None without a driver, or with one that is not loaded."""
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError:
        return None
    code = library.nvmlInit_v2()
    if code:
        return Driver("", "", 0) if code == _MISMATCH else None
    try:
        text = ctypes.create_string_buffer(_TEXT_BYTES)
        cuda, cards = ctypes.c_int(0), ctypes.c_uint(0)
        library.nvmlSystemGetDriverVersion(text, ctypes.c_uint(_TEXT_BYTES))
        library.nvmlSystemGetCudaDriverVersion_v2(ctypes.byref(cuda))
        library.nvmlDeviceGetCount_v2(ctypes.byref(cards))
    finally:
        library.nvmlShutdown()
    return Driver(text.value.decode(), f"{cuda.value // 1000}.{cuda.value % 1000 // 10}", cards.value)
