"""Photos for benchmarks: drawn plants, as one shard with its split and as a folder of files."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from aplantida.data.batches import BatchPlan
from aplantida.demo.plants import draw_photo
from aplantida.demo.species import SPECIES
from aplantida.domain.preprocessing import Preprocessing
from aplantida.domain.record import IMAGE_SCHEMA
from aplantida.domain.split import SPLIT_SCHEMA

SHORT_SIDE = 256
JPEG_QUALITY = 90


def draw_jpegs(num_photos: int, short_side: int = SHORT_SIDE) -> list[bytes]:
    """JPEGs, by default as small as stored ones, of the demo's species in turn."""
    jpegs: list[bytes] = []
    for number in range(num_photos):
        buffer = BytesIO()
        species = SPECIES[number % len(SPECIES)]
        draw_photo(species, seed=1, plant=number, photo=0, short_side=short_side).save(
            buffer, "JPEG", quality=JPEG_QUALITY
        )
        jpegs.append(buffer.getvalue())
    return jpegs


def write_folder(jpegs: list[bytes], folder: Path) -> Path:
    """``folder/SPECIES/NUMBER.jpg``, what torchvision's ImageFolder reads."""
    for number, jpeg in enumerate(jpegs):
        file = folder / SPECIES[number % len(SPECIES)].slug / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(jpeg)
    return folder


def write_tar(jpegs: list[bytes], path: Path) -> Path:
    """One tar of ``NUMBER.jpg`` and ``NUMBER.cls``, what webdataset reads."""
    from webdataset.writer import TarWriter

    with TarWriter(str(path)) as tar:
        for number, jpeg in enumerate(jpegs):
            tar.write({"__key__": f"{number:06d}", "jpg": jpeg, "cls": number % len(SPECIES)})
    return path


def write_shard(jpegs: list[bytes], folder: Path, image_size: int, augmentation: str) -> BatchPlan:
    """One image shard and its split, all but one photo for training; the plan that reads them."""
    rows: list[dict[str, object]] = []
    members: list[dict[str, object]] = []
    for number, jpeg in enumerate(jpegs):
        species, image_id = number % len(SPECIES), f"{number:032x}"
        record = {
            **{"image_id": image_id, "document_id": "d", "url": image_id, "license_id": "CC0-1.0"},
            **{"scientific_name": SPECIES[species].scientific_name, "common_names": [], "distribution": []},
        }
        width, height = Image.open(BytesIO(jpeg)).size
        sides = {"width": width, "height": height, "original_width": width, "original_height": height}
        facts = {"exif_rotated": False, "content_type": "image/jpeg", "source_bytes": len(jpeg)}
        hashes = {"source_sha256": image_id, "pixel_sha256": image_id, "perceptual_hash": image_id[:16]}
        rows.append({**record, "image": jpeg, **sides, **facts, **hashes})
        place = {"image_id": image_id, "shard": 0, "class_index": species, "split": "train" if number else "val"}
        members.append({**place, "group": image_id, "regions": [], "regions_by_country": []})
    (folder / "shards").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=IMAGE_SCHEMA), folder / "shards/shard-00000.parquet")
    pq.write_table(pa.Table.from_pylist(members, schema=SPLIT_SCHEMA), folder / "split.parquet")
    return BatchPlan(
        images=folder / "shards",
        split_file=folder / "split.parquet",
        class_indices=tuple(range(len(SPECIES))),
        preprocessing=Preprocessing(image_size=image_size),
        augmentation=augmentation,
        seed=1,
    )
