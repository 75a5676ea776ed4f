"""Photos a second out of our loader on one core, against torchvision's usual one, webdataset, and decoding alone.

All read the same JPEGs (short side 256), crop at random, flip, and give batches at 224 pixels, in one thread of a
process of its own. Ours hands uint8 to the device and normalizes there; the others, with torchvision's transforms,
give normalized floats.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import simplejpeg
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder
from webdataset.compat import WebDataset

from aplantida.data.batches import BatchSource
from aplantida.domain.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from aplantida.models.devices import set_threads
from benchmarks.apart import Apart
from benchmarks.photos import draw_jpegs, write_folder, write_shard, write_tar
from benchmarks.report import Row, interleaved, read_flags, show

NUM_PHOTOS = 321
BATCH_SIZE = 32
IMAGE_SIZE = 224


def usual() -> transforms.Compose:
    """The transforms most scripts train with."""
    return transforms.Compose(
        [
            transforms.RandomResizedCrop(IMAGE_SIZE, scale=(0.6, 1.0)),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )


def torchvision(folder: Path) -> Callable[[], object]:
    """ImageFolder's epoch."""
    set_threads(1)
    loader = DataLoader(ImageFolder(folder, usual()), BATCH_SIZE, shuffle=True)
    return lambda: sum(len(labels) for _, labels in loader)


def tarred(tar: Path) -> Callable[[], object]:
    """webdataset's epoch."""
    set_threads(1)

    def epoch() -> int:
        samples = WebDataset(str(tar), shardshuffle=False, empty_check=False).shuffle(100, seed=1)
        batches = samples.decode("pil").to_tuple("jpg", "cls").map_tuple(usual()).batched(BATCH_SIZE)
        return sum(len(labels) for _, labels in iter(batches))  # pyright: ignore[reportArgumentType, reportCallIssue]

    return epoch


def main() -> None:
    """Measure and print."""
    set_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jpegs = draw_jpegs(NUM_PHOTOS)
        source = BatchSource(write_shard(jpegs, folder / "ours", IMAGE_SIZE, "light"))
        peers = [
            Apart(torchvision, write_folder(jpegs, folder / "peer")),
            Apart(tarred, write_tar(jpegs, folder / "peer.tar")),
        ]

        def ours() -> int:
            return sum(len(batch) for batch in source.train(0, global_batch_size=BATCH_SIZE))

        def decoding() -> int:
            return sum(simplejpeg.decode_jpeg(jpeg, colorspace="RGB") is not None for jpeg in jpegs)

        functions: list[Callable[[], object]] = [ours, *peers, decoding]
        counts = [ours(), NUM_PHOTOS, NUM_PHOTOS, decoding()]
        interleaved(functions, repeats=1)
        rates = [count / seconds for count, seconds in zip(counts, interleaved(functions, repeats=7), strict=True)]
        for peer in peers:
            peer.stop()
    show(
        [
            Row(
                "loader, against ImageFolder + RandomResizedCrop + DataLoader",
                *(rates[0], rates[1], "photos/s", rates[0] / rates[1], 3.0),
                "one thread each, 224 px",
            ),
            Row(
                "loader, against webdataset with the same transforms",
                *(rates[0], rates[2], "photos/s", rates[0] / rates[2], 1.5),
                "one thread each, 224 px",
            ),
            Row(
                "loader, against decoding alone",
                *(rates[0], rates[3], "photos/s", rates[0] / rates[3], 0.7),
                "libjpeg-turbo, whole photos of short side 256",
            ),
        ]
    )


if __name__ == "__main__":
    read_flags(__doc__)
    main()
