"""Which device; and a card that the driver sees and torch does not, by a stand-in for NVIDIA's library."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from aplantida.models.devices import card_trouble, describe_device, resolve_device

LIBRARY = """
#include <string.h>
int nvmlInit_v2(void) { return CODE; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *text, unsigned length) { strncpy(text, "470.82.01", length); return 0; }
int nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = 11040; return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = CARDS; return 0; }
"""
PROGRAM = """
import sys
from aplantida.models.devices import resolve_device
try:
    print(resolve_device(sys.argv[1]).type)
except ValueError as error:
    print(f"refused: {error}")
"""


def resolved(folder: Path, device: str = "auto", *, code: int = 0, cards: int = 1, **variables: str) -> str:
    """What a process says whose libnvidia-ml is ours."""
    source, library = folder / "nvml.c", folder / "libnvidia-ml.so.1"
    source.write_text(LIBRARY.replace("CODE", str(code)).replace("CARDS", str(cards)), encoding="utf-8")
    compiler = shutil.which("gcc") or shutil.which("g++")
    assert compiler is not None
    subprocess.run([compiler, "-shared", "-fPIC", "-x", "c", str(source), "-o", str(library)], check=True)
    environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, device],
        env={**environment, "LD_LIBRARY_PATH": str(folder), **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch sees a card here")
def test_a_card_that_torch_does_not_see_is_named_with_both_versions(tmp_path: Path) -> None:
    said = resolved(tmp_path)
    assert said.startswith("refused: the driver sees 1 GPU, torch sees none: driver 470.82.01 runs CUDA 11.4, torch ")
    assert f"wants CUDA {torch.version.cuda}, so driver 5" in said or torch.version.cuda is None
    assert said.endswith("or set device: cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch sees a card here")
def test_no_card_or_a_hidden_one_is_the_cpu_and_an_updated_driver_is_told(tmp_path: Path) -> None:
    assert resolved(tmp_path, cards=0) == "cpu"
    assert resolved(tmp_path, CUDA_VISIBLE_DEVICES="") == "cpu"
    assert resolved(tmp_path, code=9) == "cpu"  # the driver is not loaded
    assert "restart the machine" in resolved(tmp_path, code=18)


def test_the_processor_is_always_there_and_a_card_may_not_be() -> None:
    assert resolve_device("cpu").type == "cpu"
    assert describe_device(torch.device("cpu")).startswith("CPU, ")
    with pytest.raises(ValueError, match="auto, cpu or cuda, not 'tpu'"):
        resolve_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match=r"torch sees no CUDA device|the driver sees"):
            resolve_device("cuda")


WHEEL = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"]


@pytest.mark.parametrize(
    ("card", "built", "runs"),
    [
        ((6, 1), WHEEL, False),
        ((7, 0), WHEEL, False),  # the least that it is built for is of the same generation, and newer
        ((7, 5), WHEEL, True),
        ((8, 9), WHEEL, True),
        ((10, 3), WHEEL, True),
        ((11, 0), WHEEL, False),
        ((13, 0), WHEEL, False),
        ((13, 0), [*WHEEL, "compute_120"], True),  # PTX is compiled by the driver
        ((9, 0), ["sm_90a"], True),
        ((12, 1), ["sm_120f"], True),
        ((12, 1), ["sm_120a", "compute_120a"], False),
    ],
)
def test_a_card_that_torch_has_no_kernels_for_is_named(
    monkeypatch: pytest.MonkeyPatch, card: tuple[int, int], built: list[str], runs: bool
) -> None:
    """It is there for torch until its first kernel."""
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    for name, answer in (
        ("is_available", True),
        ("get_arch_list", built),
        ("get_device_capability", card),
        ("get_device_name", "Old One"),
    ):
        monkeypatch.setattr(torch.cuda, name, lambda *_, answer=answer: answer)
    assert resolve_device("cpu").type == "cpu"
    for device in ("auto", "cuda"):
        if runs:
            assert resolve_device(device).type == "cuda"
        else:
            with pytest.raises(
                ValueError, match=rf"GPU Old One is of sm_{card[0]}{card[1]}, torch .* has kernels for sm_"
            ):
                resolve_device(device)
    assert (card_trouble() is None) == runs
