"""Phase split_dataset: which photo trains, which validates, which tests; the classes; the regions."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from aplantida.data.review import ReviewPair, pairs_to_review, read_decisions
from aplantida.data.shards import shard_name
from aplantida.data.splitting import TEST, SplitRule, rows_by, split_species
from aplantida.domain.class_index import ClassIndex, PlantClass
from aplantida.domain.record import RECORD_SCHEMA, REJECTION_SCHEMA, Reason
from aplantida.domain.region import Membership, Region, regions_from_mapping
from aplantida.domain.split import SPLIT_SCHEMA, SPLITS
from aplantida.phases._split_reports import CardSection, by_split, num_shards_of, write_card, write_review
from aplantida.pipeline.artifact import hash_file
from aplantida.pipeline.config import PhaseConfig, Section, expand, root
from aplantida.pipeline.errors import BadRequest, GateFailed
from aplantida.pipeline.phase import Phase, PhaseContext

EUROPE = (
    "AD AL AT AX BA BE BG BY CH CY CZ DE DK EE ES FI FO FR GB GG GI GR HR HU IE IM IS IT JE LI LT LU LV MC MD ME MK MT "
    "NL NO PL PT RO RS RU SE SI SJ SK SM UA VA XK"
)


class ReviewSection(Section):
    """Nearly equal photos that two species claim."""

    distance: int | None = Field(default=6, ge=0, le=16)
    decisions: str | None = None
    max_shown_pairs: int = Field(default=200, ge=0)


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
    review: ReviewSection = ReviewSection()
    card: CardSection = CardSection()


def run(ctx: PhaseContext[SplitDatasetConfig]) -> dict[str, Any]:
    """Read the shards' columns, leave out what must be, deal out the rest."""
    config, started = ctx.config, time.monotonic()
    try:
        regions = regions_from_mapping(config.regions)
        rule = SplitRule(config.val_fraction, config.test_fraction, config.min_groups_to_hold_out, config.near_distance)
    except ValueError as error:
        raise BadRequest(f"split_dataset: {error}") from None
    photos, excluded, pairs = _usable(ctx)
    if not photos:
        raise GateFailed(f"no species is left with {config.min_images_per_species} images")
    _deal_out(photos, rule, ctx.seed, _frozen_test(ctx))
    unplaced = [photo for photo in photos if photo["split"] is None]
    photos = [photo for photo in photos if photo["split"] is not None]
    excluded = _and_refused(excluded, unplaced, Reason.SHARES_GROUP_WITH_FROZEN_TEST)
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
    write_review(ctx, pairs, config.review.max_shown_pairs, config.card.thumbnail_pixels)
    undecided = sum(not pair.decision for pair in pairs)
    if undecided:
        ctx.log.warning("%d pairs of nearly equal photos of two species are left out: see review.html", undecided)
    summary = _summary(photos, index, excluded, regions) | {"pairs_to_review": undecided}
    ctx.log.info("%d classes; photos: %s", len(index), json.dumps(summary["photos"]))
    ctx.output.write_json("summary.json", summary)
    write_card(ctx, photos, excluded, summary, config.card)
    return {**summary, "seconds": round(time.monotonic() - started, 2)}


def _usable(ctx: PhaseContext[SplitDatasetConfig]) -> tuple[list[dict[str, Any]], pa.Table, list[ReviewPair]]:
    """Photos of species with enough of them, what is left out with a reason (duplicates first), and pairs to review."""
    shards = ctx.input("images")
    failures = pq.read_table(shards.file("failures.parquet"))
    is_copy = [reason == Reason.DUPLICATE_PIXELS for reason in failures["reason"].to_pylist()]
    aside = failures.filter(pa.array(is_copy, pa.bool_()))
    set_aside = set(aside["image_id"].to_pylist())
    num_shards = num_shards_of(shards)
    photos: list[dict[str, Any]] = []
    with ctx.progress(num_shards, "shards", "reading the shards' records") as progress:
        for number in range(num_shards):
            columns = [*RECORD_SCHEMA.names, "perceptual_hash", "original_width", "original_height"]
            table = pq.read_table(shards.file(shard_name(number)), columns=columns)
            photos += [{**row, "shard": number} for row in table.to_pylist() if row["image_id"] not in set_aside]
            progress.update()
    photos.sort(key=lambda photo: photo["image_id"])
    pairs = _pairs(ctx, photos)
    dropped: dict[str, str] = {}
    for pair in pairs:
        dropped |= {key: why for key, why in pair.dropped().items() if key not in dropped}
    doubtful = [{**photo, "detail": dropped[photo["image_id"]]} for photo in photos if photo["image_id"] in dropped]
    aside = _and_refused(aside, doubtful, Reason.NEAR_DUPLICATE_OF_ANOTHER_SPECIES)
    photos = [photo for photo in photos if photo["image_id"] not in dropped]
    counts, least = Counter(photo["scientific_name"] for photo in photos), ctx.config.min_images_per_species
    few = [photo for photo in photos if counts[photo["scientific_name"]] < least]
    few = [{**photo, "detail": f"{counts[photo['scientific_name']]} stored images, want {least}"} for photo in few]
    excluded = _and_refused(aside, few, Reason.SPECIES_WITH_TOO_FEW_IMAGES)
    return [photo for photo in photos if counts[photo["scientific_name"]] >= least], excluded, pairs


def _and_refused(excluded: pa.Table, photos: list[dict[str, Any]], reason: Reason) -> pa.Table:
    """``excluded`` and these photos, by image id."""
    rows = [{**photo, "reason": reason} for photo in photos]
    table = pa.concat_tables([excluded, pa.Table.from_pylist(rows, REJECTION_SCHEMA)])
    return table.sort_by("image_id").combine_chunks()


def _decisions_path(config: SplitDatasetConfig) -> Path | None:
    if config.review.decisions is None:
        return None
    path = root() / expand(config.review.decisions)
    if not path.is_file():
        raise BadRequest(f"review.decisions: {config.review.decisions!r} is {path}, where no file is")
    return path


def decisions_digest(config: SplitDatasetConfig) -> str:
    """Digest of what was decided of doubtful pairs.

    Raises:
        BadRequest: when the file is not there.
    """
    path = _decisions_path(config)
    return "none" if path is None else hash_file(path)


def _pairs(ctx: PhaseContext[SplitDatasetConfig], photos: list[dict[str, Any]]) -> list[ReviewPair]:
    config, path = ctx.config, _decisions_path(ctx.config)
    if config.review.distance is None:
        return []
    try:
        decisions = {} if path is None else read_decisions(path.read_text(encoding="utf-8-sig").splitlines())
    except ValueError as error:
        raise BadRequest(f"review.decisions: {path}: {error}") from None
    return pairs_to_review(photos, config.review.distance, decisions)


def _frozen_test(ctx: PhaseContext[SplitDatasetConfig]) -> frozenset[str] | None:
    """The test photos of an earlier split, which are to stay the only ones."""
    if not ctx.has_input("frozen"):
        return None
    table = pq.read_table(ctx.input("frozen").file("split.parquet"), columns=["image_id", "split"])
    rows = zip(table["image_id"].to_pylist(), table["split"].to_pylist(), strict=True)
    return frozenset(image_id for image_id, split in rows if split == TEST)


def _deal_out(photos: list[dict[str, Any]], rule: SplitRule, seed: int, frozen_test: frozenset[str] | None) -> None:
    for species, rows in rows_by([photo["scientific_name"] for photo in photos]).items():
        some = [photos[row] for row in rows]
        observations = [_observation(photo) for photo in some]
        hashes = [photo["perceptual_hash"] for photo in some]
        sessions = [_session(photo) for photo in some]
        ids = [photo["image_id"] for photo in some]
        dealt = split_species(species, ids, observations, sessions, hashes, rule, seed, frozen_test)
        for photo, (split, group) in zip(some, dealt, strict=True):
            photo["split"], photo["group"] = split, group


def _observation(photo: dict[str, Any]) -> str | None:
    """Observation ids are unique within their source."""
    return f"{photo['source'] or ''}:{photo['observation_id']}" if photo["observation_id"] else None


def _session(photo: dict[str, Any]) -> str | None:
    """A photographer's day: what one person shows of a species on one day may be one plant."""
    return f"{photo['author']}|{photo['observed_on']}" if photo["author"] and photo["observed_on"] else None


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
        "photos": by_split(photos),
        "groups": len({(photo["scientific_name"], photo["group"]) for photo in photos}),
        "species": {split: len(species_in[split]) for split in SPLITS},
        "excluded": excluded.num_rows,
        "regions": {
            region.name: {
                "species": len(index.in_region(region.name)),
                "photos": by_split([photo for photo in photos if region.name in photo["regions"]]),
                "photos_by_country": by_split(
                    [photo for photo in photos if region.name in photo["regions_by_country"]]
                ),
            }
            for region in regions
        },
    }


PHASE = Phase(
    name="split_dataset",
    config=SplitDatasetConfig,
    inputs={"images": "image_shards", "frozen": "split?"},
    output="split",
    version=3,
    run=run,
    sources={"review_decisions": decisions_digest},
)
