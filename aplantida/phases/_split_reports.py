"""What split_dataset writes for people: the data card, and the photos somebody has to look at."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, field_validator

from aplantida.data.addresses import host_of
from aplantida.data.images import thumbnail
from aplantida.data.review import ReviewPair, review_csv
from aplantida.data.splitting import TRAIN
from aplantida.domain.record import shard_of
from aplantida.domain.split import SPLIT_SCHEMA, SPLITS
from aplantida.phases._photos import drawn, read_photos
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.config import Section
from aplantida.pipeline.phase import PhaseContext

if TYPE_CHECKING:
    from aplantida.release.page import Shown


class CardSection(Section):
    """The data card."""

    frequency_bands: list[int] = Field(default=[10, 50, 200])
    num_photos: int = Field(default=48, ge=0)
    thumbnail_pixels: int = Field(default=160, ge=32)

    @field_validator("frequency_bands")
    @classmethod
    def _rising(cls, values: list[int]) -> list[int]:
        if values != sorted(set(values)) or (values and values[0] < 1):
            raise ValueError("want rising numbers from 1 on")
        return values


def num_shards_of(images: Artifact) -> int:
    """How many shards an image_shards artifact has."""
    return int(json.loads(images.file("summary.json").read_text(encoding="utf-8"))["num_shards"])


def write_review(ctx: PhaseContext[Any], pairs: list[ReviewPair], max_shown_pairs: int, thumbnail_pixels: int) -> None:
    """The list of doubtful pairs, and a page with the photos side by side."""
    from aplantida.release.data_pages import review_page
    from aplantida.release.page import Shown

    ctx.output.write_text("review.csv", review_csv(pairs))
    shown, num_shards = pairs[:max_shown_pairs], num_shards_of(ctx.input("images"))
    ids = sorted({image_id for pair in shown for image_id in (pair.image_id_a, pair.image_id_b)})
    places = [shard_of(image_id, num_shards) for image_id in ids]
    rows = pa.table({"image_id": pa.array(ids, pa.string()), "shard": pa.array(places, pa.int32())})
    columns = ("image", "scientific_name", "author", "license_id")
    photos = {photo["image_id"]: photo for photo in read_photos(ctx.input("images"), rows, columns)}

    def show(image_id: str) -> Shown:
        photo = photos[image_id]
        small = thumbnail(photo["image"], thumbnail_pixels)
        return Shown(small, photo["scientific_name"], (photo["author"] or "", photo["license_id"], image_id))

    sheets = [
        (
            f"{pair.distance} bits apart; {pair.decision or 'not decided'}",
            (show(pair.image_id_a), show(pair.image_id_b)),
        )
        for pair in shown
    ]
    ctx.output.write_text("review.html", review_page(len(pairs), sheets))


def write_card(
    ctx: PhaseContext[Any],
    photos: list[dict[str, Any]],
    excluded: pa.Table,
    summary: dict[str, Any],
    settings: CardSection,
) -> None:
    """The data card: JSON for programs, a page for people."""
    from aplantida.release.data_pages import DataCard, data_card_page

    images, bands = ctx.input("images"), _bands(photos, settings.frequency_bands)
    stored = json.loads(images.file("summary.json").read_text(encoding="utf-8"))
    failures = pq.read_table(images.file("failures.parquet"), columns=["url", "reason"]).to_pylist()
    parts = {"all": summary["photos"]}
    parts |= {name: region["photos"] for name, region in summary["regions"].items()}
    parts |= {name: by_split(rows) for name, rows in bands.items()}
    card = DataCard(
        counts=(
            ("photos asked for", stored["num_records"]),
            ("photos stored", stored["stored"]),
            ("photos in the split", len(photos)),
            ("species", summary["num_classes"]),
            ("groups (photos that stay together)", summary["groups"]),
        ),
        splits=parts,
        photos_per_species=sorted(Counter(photo["scientific_name"] for photo in photos).values(), reverse=True),
        licenses=_counted(photos, "license_id"),
        countries=_counted(photos, "country"),
        short_sides=[min(photo["original_width"], photo["original_height"]) for photo in photos],
        stored_short_side=stored["short_side_pixels"],
        failures=[(host_of(row["url"]), row["reason"]) for row in failures],
        excluded=dict(Counter(excluded["reason"].to_pylist())),
        sample=_sample(ctx, photos, settings),
    )
    ctx.output.write_text("data_card.html", data_card_page(card))
    hosts = Counter(f"{host} {reason}" for host, reason in card.failures)
    ctx.output.write_json(
        "data_card.json",
        {
            "format": "aplantida.data_card/1",
            "counts": dict(card.counts),
            "splits": parts,
            "photos_per_species": list(card.photos_per_species),
            "licenses": dict(sorted(card.licenses.items())),
            "countries": dict(sorted(card.countries.items())),
            "failures_by_host_and_reason": dict(sorted(hosts.items())),
            "excluded": dict(sorted(card.excluded.items())),
        },
    )


def _bands(photos: list[dict[str, Any]], edges: list[int]) -> dict[str, list[dict[str, Any]]]:
    """Photos by how many training photos their species has."""
    train = Counter(photo["scientific_name"] for photo in photos if photo["split"] == TRAIN)
    bounds = [0, *edges]
    names = [f"{low} to {high - 1} training photos" for low, high in pairwise(bounds)]
    names.append(f"{bounds[-1]} and more training photos")
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for photo in photos:
        found[names[bisect_right(edges, train[photo["scientific_name"]])]].append(photo)
    return found


def by_split(photos: list[dict[str, Any]]) -> dict[str, int]:
    """How many of the photos are in each split."""
    counts = Counter(photo["split"] for photo in photos)
    return {split: counts[split] for split in SPLITS}


def _counted(photos: list[dict[str, Any]], name: str) -> dict[str, int]:
    return dict(Counter(photo[name] or "(not known)" for photo in photos))


def _sample(ctx: PhaseContext[Any], photos: list[dict[str, Any]], settings: CardSection) -> list[Shown]:
    """Some photos for the contact sheet, drawn by hash, by species."""
    from aplantida.release.page import Shown

    some = drawn(pa.Table.from_pylist(photos, SPLIT_SCHEMA), settings.num_photos, ctx.seed, "data_card")
    found = read_photos(ctx.input("images"), some, ("image", "scientific_name", "author", "license_id"))
    shown = [
        (photo["scientific_name"], (photo["author"] or "", photo["license_id"], split), photo["image"])
        for photo, split in zip(found, some["split"].to_pylist(), strict=True)
    ]
    pixels = settings.thumbnail_pixels
    return [Shown(thumbnail(image, pixels), name, lines) for name, lines, image in sorted(shown)]
