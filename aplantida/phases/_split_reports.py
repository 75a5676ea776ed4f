"""What split_dataset writes for people: the data card, and the photos somebody has to look at."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from heapq import nsmallest
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, field_validator

from aplantida.data.addresses import host_of
from aplantida.data.images import thumbnail
from aplantida.data.review import ReviewPair, review_csv
from aplantida.data.splitting import TRAIN
from aplantida.domain.class_index import ClassIndex
from aplantida.domain.record import shard_of
from aplantida.domain.region import Region
from aplantida.domain.seeds import derive_seed
from aplantida.domain.split import SPLIT_SCHEMA, SPLITS
from aplantida.phases._photos import read_photos
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.config import Section
from aplantida.pipeline.phase import PhaseContext

if TYPE_CHECKING:
    from aplantida.release.page import Shown

_PLACED = ("image_id", "shard")


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


class Tally:
    """What the reports say of the photos that were dealt out, counted species by species.

    Attributes:
        parts: photos by part of the data (all, a region, a frequency band), then by split.
        photos_per_species: one number a species.
        licenses: photos by licence.
        countries: photos by country.
        short_sides: photos by the short side of the original, pixels.
        sample: photos for the contact sheet.
    """

    def __init__(self, regions: Sequence[Region], settings: CardSection, seed: int) -> None:
        self._settings, self._seed = settings, seed
        edges = settings.frequency_bands
        self._bands = [f"{low} to {high - 1} training photos" for low, high in pairwise([0, *edges])]
        self._bands.append(f"{edges[-1] if edges else 0} and more training photos")
        self.parts = {name: Counter[str]() for name in ("all", *(region.name for region in regions), *self._bands)}
        self._by_country = {region.name: Counter[str]() for region in regions}
        self._species_in: Counter[str] = Counter()
        self._groups = 0
        self.photos_per_species: list[int] = []
        self.licenses: Counter[str] = Counter()
        self.countries: Counter[str] = Counter()
        self.short_sides: Counter[int] = Counter()
        self.sample: list[dict[str, Any]] = []

    def add(self, species: str, photos: list[dict[str, Any]]) -> None:
        """Count one species' photos, which have their places."""
        train = sum(photo["split"] == TRAIN for photo in photos)
        band = self.parts[self._bands[bisect_right(self._settings.frequency_bands, train)]]
        for photo in photos:
            split = photo["split"]
            self.parts["all"][split] += 1
            band[split] += 1
            for region in photo["regions"]:
                self.parts[region][split] += 1
            for region in photo["regions_by_country"]:
                self._by_country[region][split] += 1
            self.licenses[photo["license_id"]] += 1
            self.countries[photo["country"] or "(not known)"] += 1
            self.short_sides[min(photo["original_width"], photo["original_height"])] += 1
        self._species_in.update({photo["split"] for photo in photos})
        self._groups += len({photo["group"] for photo in photos})
        self.photos_per_species.append(len(photos))
        self.sample = nsmallest(self._settings.num_photos, [*self.sample, *photos], key=self._drawn)

    def _drawn(self, photo: dict[str, Any]) -> int:
        return derive_seed(self._seed, "data_card", photo["image_id"])

    def summary(self, index: ClassIndex) -> dict[str, Any]:
        """``summary.json``, but for what is not counted here."""
        return {
            "num_classes": len(index),
            "class_index_digest": index.digest,
            "photos": _by_split(self.parts["all"]),
            "groups": self._groups,
            "species": _by_split(self._species_in),
            "regions": {
                name: {
                    "species": len(index.in_region(name)),
                    "photos": _by_split(self.parts[name]),
                    "photos_by_country": _by_split(counts),
                }
                for name, counts in self._by_country.items()
            },
        }


def write_card(
    ctx: PhaseContext[Any],
    tally: Tally,
    excluded: dict[str, int],
    summary: dict[str, Any],
    settings: CardSection,
) -> None:
    """The data card: JSON for programs, a page for people."""
    from aplantida.release.data_pages import DataCard, data_card_page

    stored = json.loads(ctx.input("images").file("summary.json").read_text(encoding="utf-8"))
    card = DataCard(
        counts=(
            ("photos asked for", stored["num_records"]),
            ("photos stored", stored["stored"]),
            ("photos in the split", sum(summary["photos"].values())),
            ("species", summary["num_classes"]),
            ("groups (photos that stay together)", summary["groups"]),
        ),
        splits={name: _by_split(counts) for name, counts in tally.parts.items()},
        photos_per_species=sorted(tally.photos_per_species, reverse=True),
        licenses=tally.licenses,
        countries=tally.countries,
        short_sides=tally.short_sides,
        stored_short_side=stored["short_side_pixels"],
        failures=_failures(ctx),
        excluded=excluded,
        sample=_sample(ctx, tally, settings.thumbnail_pixels),
    )
    ctx.output.write_text("data_card.html", data_card_page(card))
    hosts = {f"{host} {reason}": count for (host, reason), count in card.failures.items()}
    ctx.output.write_json(
        "data_card.json",
        {
            "format": "aplantida.data_card/1",
            "counts": dict(card.counts),
            "splits": card.splits,
            "photos_per_species": list(card.photos_per_species),
            "licenses": dict(sorted(card.licenses.items())),
            "countries": dict(sorted(card.countries.items())),
            "failures_by_host_and_reason": dict(sorted(hosts.items())),
            "excluded": dict(sorted(card.excluded.items())),
        },
    )


def _failures(ctx: PhaseContext[Any]) -> Counter[tuple[str, str]]:
    """Photos that were not stored, by host and reason."""
    counts: Counter[tuple[str, str]] = Counter()
    with pq.ParquetFile(ctx.input("images").file("failures.parquet")) as file:
        for batch in file.iter_batches(columns=["url", "reason"]):
            counts.update((host_of(row["url"]), row["reason"]) for row in batch.to_pylist())
    return counts


def _by_split(counts: Counter[str]) -> dict[str, int]:
    return {split: counts[split] for split in SPLITS}


def _sample(ctx: PhaseContext[Any], tally: Tally, pixels: int) -> list[Shown]:
    """Some photos for the contact sheet, drawn by hash, by species."""
    from aplantida.release.page import Shown

    rows = sorted(tally.sample, key=lambda photo: photo["image_id"])
    table = pa.table({name: pa.array([row[name] for row in rows], SPLIT_SCHEMA.field(name).type) for name in _PLACED})
    shown = [
        (row["scientific_name"], (row["author"] or "", row["license_id"], row["split"]), photo["image"])
        for row, photo in zip(rows, read_photos(ctx.input("images"), table), strict=True)
    ]
    return [Shown(thumbnail(image, pixels), name, lines) for name, lines, image in sorted(shown)]
