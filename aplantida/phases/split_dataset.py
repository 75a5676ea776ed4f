"""Phase split_dataset: which photo trains, which validates, which tests; the classes; the regions."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from aplantida.data.shards import shard_name
from aplantida.data.splitting import SplitRule, rows_by, split_species
from aplantida.domain.class_index import ClassIndex, PlantClass
from aplantida.domain.record import RECORD_SCHEMA, REJECTION_SCHEMA, Reason
from aplantida.domain.region import Membership, Region, regions_from_mapping
from aplantida.domain.split import SPLIT_SCHEMA, SPLITS
from aplantida.pipeline.config import PhaseConfig
from aplantida.pipeline.errors import BadRequest, GateFailed
from aplantida.pipeline.phase import Phase, PhaseContext

EUROPE = (
    "AD AL AT AX BA BE BG BY CH CY CZ DE DK EE ES FI FO FR GB GG GI GR HR HU IE IM IS IT JE LI LT LU LV MC MD ME MK MT "
    "NL NO PL PT RO RS RU SE SI SJ SK SM UA VA XK"
)


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
            columns = [*RECORD_SCHEMA.names, "perceptual_hash"]
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
    def count(rows: list[dict[str, Any]]) -> dict[str, int]:
        counts = Counter(photo["split"] for photo in rows)
        return {split: counts[split] for split in SPLITS}

    species_in = {split: {photo["class_index"] for photo in photos if photo["split"] == split} for split in SPLITS}
    return {
        "num_classes": len(index),
        "class_index_digest": index.digest,
        "photos": count(photos),
        "groups": len({(photo["scientific_name"], photo["group"]) for photo in photos}),
        "species": {split: len(species_in[split]) for split in SPLITS},
        "excluded": excluded.num_rows,
        "regions": {
            region.name: {
                "species": len(index.in_region(region.name)),
                "photos": count([photo for photo in photos if region.name in photo["regions"]]),
                "photos_by_country": count([photo for photo in photos if region.name in photo["regions_by_country"]]),
            }
            for region in regions
        },
    }


PHASE = Phase(
    name="split_dataset",
    config=SplitDatasetConfig,
    inputs={"images": "image_shards"},
    output="split",
    version=1,
    run=run,
)
