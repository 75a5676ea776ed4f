"""Phase split_dataset: which photo trains, which validates, which tests; the classes; the regions."""

from __future__ import annotations

import json
import time
from bisect import bisect_right
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, field_validator

from aplantida.data.addresses import host_of
from aplantida.data.images import thumbnail
from aplantida.data.shards import shard_name
from aplantida.data.splitting import TRAIN, SplitRule, rows_by, split_species
from aplantida.domain.class_index import ClassIndex, PlantClass
from aplantida.domain.record import RECORD_SCHEMA, REJECTION_SCHEMA, Reason
from aplantida.domain.region import Membership, Region, regions_from_mapping
from aplantida.domain.split import SPLIT_SCHEMA, SPLITS
from aplantida.phases._photos import drawn, read_photos
from aplantida.pipeline.config import PhaseConfig, Section
from aplantida.pipeline.errors import BadRequest, GateFailed
from aplantida.pipeline.phase import Phase, PhaseContext

if TYPE_CHECKING:
    from aplantida.release.page import Shown

EUROPE = (
    "AD AL AT AX BA BE BG BY CH CY CZ DE DK EE ES FI FO FR GB GG GI GR HR HU IE IM IS IT JE LI LT LU LV MC MD ME MK MT "
    "NL NO PL PT RO RS RU SE SI SJ SK SM UA VA XK"
)


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


class SplitDatasetConfig(PhaseConfig):
    """Fields of configs/split_dataset.yaml."""

    val_fraction: float = Field(default=0.1, ge=0, lt=1)
    test_fraction: float = Field(default=0.1, ge=0, lt=1)
    min_groups_to_hold_out: int = Field(default=3, ge=2)
    near_distance: int = Field(default=6, ge=0, le=16)
    min_images_per_species: int = Field(default=5, ge=1)
    regions: dict[str, list[str]] = Field(
        default_factory=lambda: {"EU_SW": ["ES", "PT", "FR", "AD"], "spain": ["ES"], "europe": EUROPE.split()}
    )
    card: CardSection = CardSection()


def run(ctx: PhaseContext[SplitDatasetConfig]) -> dict[str, Any]:
    """Read the shards' columns, leave out what must be, deal out the rest."""
    config, started = ctx.config, time.monotonic()
    try:
        regions = regions_from_mapping(config.regions)
        rule = SplitRule(config.val_fraction, config.test_fraction, config.min_groups_to_hold_out, config.near_distance)
    except ValueError as error:
        raise BadRequest(f"split_dataset: {error}") from None
    photos, excluded = _usable(ctx)
    if not photos:
        raise GateFailed(f"no species is left with {config.min_images_per_species} images")
    _deal_out(photos, rule, ctx.seed)
    for photo in photos:
        photo["regions"], photo["regions_by_country"] = _regions_of(photo, regions)
    index = _class_index(photos, regions)
    for photo in photos:
        photo["class_index"] = index.index_of(photo["scientific_name"])
    photos.sort(key=lambda photo: photo["image_id"])
    ctx.output.write_table("split.parquet", pa.Table.from_pylist(photos, SPLIT_SCHEMA))
    ctx.output.write_json("class_index.json", index.to_json())
    ctx.output.write_json("regions.json", {region.name: sorted(region.countries) for region in regions})
    ctx.output.write_table("excluded.parquet", excluded)
    for split in SPLITS:
        lines = [json.dumps(_line(photo), ensure_ascii=False) for photo in photos if photo["split"] == split]
        ctx.output.write_text(f"{split}.jsonl", "".join(line + "\n" for line in lines))
    summary = _summary(photos, index, excluded, regions)
    ctx.log.info("%d classes; photos: %s", len(index), json.dumps(summary["photos"]))
    ctx.output.write_json("summary.json", summary)
    _write_card(ctx, photos, excluded, summary)
    return {**summary, "seconds": round(time.monotonic() - started, 2)}


def _usable(ctx: PhaseContext[SplitDatasetConfig]) -> tuple[list[dict[str, Any]], pa.Table]:
    """Photos of species with enough of them, and what is left out with a reason (duplicates first)."""
    shards = ctx.input("images")
    failures = pq.read_table(shards.file("failures.parquet"))
    is_copy = [reason == Reason.DUPLICATE_PIXELS for reason in failures["reason"].to_pylist()]
    aside = failures.filter(pa.array(is_copy, pa.bool_()))
    set_aside = set(aside["image_id"].to_pylist())
    num_shards = json.loads(shards.file("summary.json").read_text(encoding="utf-8"))["num_shards"]
    photos: list[dict[str, Any]] = []
    with ctx.progress(num_shards, "shards", "reading the shards' records") as progress:
        for number in range(num_shards):
            columns = [*RECORD_SCHEMA.names, "perceptual_hash", "original_width", "original_height"]
            table = pq.read_table(shards.file(shard_name(number)), columns=columns)
            photos += [{**row, "shard": number} for row in table.to_pylist() if row["image_id"] not in set_aside]
            progress.update()
    photos.sort(key=lambda photo: photo["image_id"])
    counts, least = Counter(photo["scientific_name"] for photo in photos), ctx.config.min_images_per_species
    few = [photo for photo in photos if counts[photo["scientific_name"]] < least]
    rows = [
        {
            **photo,
            "reason": Reason.SPECIES_WITH_TOO_FEW_IMAGES,
            "detail": f"{counts[photo['scientific_name']]} stored images, want {least}",
        }
        for photo in few
    ]
    excluded = pa.concat_tables([aside, pa.Table.from_pylist(rows, REJECTION_SCHEMA)]).sort_by("image_id")
    return [photo for photo in photos if counts[photo["scientific_name"]] >= least], excluded.combine_chunks()


def _deal_out(photos: list[dict[str, Any]], rule: SplitRule, seed: int) -> None:
    for species, rows in rows_by([photo["scientific_name"] for photo in photos]).items():
        some = [photos[row] for row in rows]
        observations = [_observation(photo) for photo in some]
        hashes = [photo["perceptual_hash"] for photo in some]
        dealt = split_species(species, [photo["image_id"] for photo in some], observations, hashes, rule, seed)
        for photo, (split, group) in zip(some, dealt, strict=True):
            photo["split"], photo["group"] = split, group


def _observation(photo: dict[str, Any]) -> str | None:
    """Observation ids are unique within their source."""
    return f"{photo['source'] or ''}:{photo['observation_id']}" if photo["observation_id"] else None


def _regions_of(photo: dict[str, Any], regions: tuple[Region, ...]) -> tuple[list[str], list[str]]:
    found = {region.name: region.membership(photo["country"], photo["distribution"] or ()) for region in regions}
    return (
        [name for name, how in found.items() if how is not Membership.NONE],
        [name for name, how in found.items() if how is Membership.BY_COUNTRY],
    )


def _class_index(photos: list[dict[str, Any]], regions: tuple[Region, ...]) -> ClassIndex:
    """One class per species. It lives in a region when its distribution or one of its photos says so."""
    classes: list[PlantClass] = []
    for species, rows in rows_by([photo["scientific_name"] for photo in photos]).items():
        some = [photos[row] for row in rows]
        distribution = sorted({code for photo in some for code in photo["distribution"] or ()})
        lives_in = {name for photo in some for name in photo["regions"]}
        lives_in |= {region.name for region in regions if region.countries.intersection(distribution)}
        classes.append(
            PlantClass(
                class_id=species,
                family=_most_common(photo["family"] for photo in some),
                genus=_most_common(photo["genus"] for photo in some),
                common_names=tuple(sorted({name for photo in some for name in photo["common_names"] or ()})),
                distribution=tuple(distribution),
                regions=tuple(sorted(lives_in)),
            )
        )
    return ClassIndex.of(classes)


def _most_common(values: Any) -> str | None:
    counts = Counter(value for value in values if value)
    return min(counts, key=lambda value: (-counts[value], value)) if counts else None


def _line(photo: dict[str, Any]) -> dict[str, Any]:
    """A line of train.jsonl and its like: the record, its place and its class."""
    names = [*RECORD_SCHEMA.names, "shard", "class_index", "group", "regions", "regions_by_country"]
    return {name: photo[name] for name in names}


def _summary(
    photos: list[dict[str, Any]], index: ClassIndex, excluded: pa.Table, regions: tuple[Region, ...]
) -> dict[str, Any]:
    species_in = {split: {photo["class_index"] for photo in photos if photo["split"] == split} for split in SPLITS}
    return {
        "num_classes": len(index),
        "class_index_digest": index.digest,
        "photos": _by_split(photos),
        "groups": len({(photo["scientific_name"], photo["group"]) for photo in photos}),
        "species": {split: len(species_in[split]) for split in SPLITS},
        "excluded": excluded.num_rows,
        "regions": {
            region.name: {
                "species": len(index.in_region(region.name)),
                "photos": _by_split([photo for photo in photos if region.name in photo["regions"]]),
                "photos_by_country": _by_split(
                    [photo for photo in photos if region.name in photo["regions_by_country"]]
                ),
            }
            for region in regions
        },
    }


def _write_card(
    ctx: PhaseContext[SplitDatasetConfig], photos: list[dict[str, Any]], excluded: pa.Table, summary: dict[str, Any]
) -> None:
    """The data card: JSON for programs, a page for people."""
    from aplantida.release.data_pages import DataCard, data_card_page

    images, bands = ctx.input("images"), _bands(photos, ctx.config.card.frequency_bands)
    stored = json.loads(images.file("summary.json").read_text(encoding="utf-8"))
    failures = pq.read_table(images.file("failures.parquet"), columns=["url", "reason"]).to_pylist()
    parts = {"all": summary["photos"]}
    parts |= {name: region["photos"] for name, region in summary["regions"].items()}
    parts |= {name: _by_split(rows) for name, rows in bands.items()}
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
        sample=_sample(ctx, photos),
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


def _by_split(photos: list[dict[str, Any]]) -> dict[str, int]:
    counts = Counter(photo["split"] for photo in photos)
    return {split: counts[split] for split in SPLITS}


def _counted(photos: list[dict[str, Any]], name: str) -> dict[str, int]:
    return dict(Counter(photo[name] or "(not known)" for photo in photos))


def _sample(ctx: PhaseContext[SplitDatasetConfig], photos: list[dict[str, Any]]) -> list[Shown]:
    """Some photos for the contact sheet, drawn by hash, by species."""
    from aplantida.release.page import Shown

    some = drawn(pa.Table.from_pylist(photos, SPLIT_SCHEMA), ctx.config.card.num_photos, ctx.seed, "data_card")
    found = read_photos(ctx.input("images"), some, ("image", "scientific_name", "author", "license_id"))
    shown = [
        (photo["scientific_name"], (photo["author"] or "", photo["license_id"], split), photo["image"])
        for photo, split in zip(found, some["split"].to_pylist(), strict=True)
    ]
    pixels = ctx.config.card.thumbnail_pixels
    return [Shown(thumbnail(image, pixels), name, lines) for name, lines, image in sorted(shown)]


PHASE = Phase(
    name="split_dataset",
    config=SplitDatasetConfig,
    inputs={"images": "image_shards"},
    output="split",
    version=2,
    run=run,
)
