"""Phase split_dataset: which photo trains, which validates, which tests; the classes; the regions."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

from aplantida.data.photo_store import PHOTO_SCHEMA, PhotoStore
from aplantida.data.review import ReviewPair, pairs_to_review, read_decisions
from aplantida.data.shards import shard_name
from aplantida.data.splitting import TEST, SplitRule, split_species
from aplantida.domain.class_index import ClassIndex, PlantClass
from aplantida.domain.record import Reason, observation_of
from aplantida.domain.region import Membership, Region, regions_from_mapping
from aplantida.domain.split import PLACES, SPLITS, STRANGERS_FILE
from aplantida.phases._admission import admit, look_again
from aplantida.phases._collection_file import LearningConfig, PhotoGates
from aplantida.phases._look_alikes import Pairs, find_look_alikes
from aplantida.phases._scratch import scratch_database
from aplantida.phases._set_aside import set_strangers_aside
from aplantida.phases._split_reports import CardSection, Tally, num_shards_of, write_card, write_review
from aplantida.pipeline.artifact import hash_file
from aplantida.pipeline.config import Section, SeededConfig, expand, root
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


class SplitResources(Section):
    """How much of the machine splitting takes."""

    memory_mb: int = Field(default=512, ge=128)
    num_threads: int | None = Field(default=None, ge=1)


class SplitDatasetConfig(SeededConfig, LearningConfig):
    """Fields of configs/split_dataset.yaml."""

    val_fraction: float = Field(default=0.1, ge=0, lt=1)
    test_fraction: float = Field(default=0.1, ge=0, lt=1)
    min_groups_to_hold_out: int = Field(default=3, ge=2)
    near_distance: int = Field(default=6, ge=0, le=16)
    min_images_per_species: int = Field(default=5, ge=1)
    keep_strangers: bool = False
    hold_out_species: int = Field(default=0, ge=0)
    regions: dict[str, list[str]] = Field(
        default_factory=lambda: {"EU_SW": ["ES", "PT", "FR", "AD"], "spain": ["ES"], "europe": EUROPE.split()}
    )
    review: ReviewSection = ReviewSection()
    card: CardSection = CardSection()
    gates: PhotoGates = PhotoGates()
    resources: SplitResources = SplitResources()


def run(ctx: PhaseContext[SplitDatasetConfig]) -> dict[str, Any]:
    """Read the shards' columns, leave out what must be, deal out the rest."""
    config, started = ctx.config, time.monotonic()
    try:
        regions = regions_from_mapping(config.regions)
        rule = SplitRule(config.val_fraction, config.test_fraction, config.min_groups_to_hold_out)
    except ValueError as error:
        raise BadRequest(f"split_dataset: {error}") from None
    with scratch_database(ctx, "photos", config.resources.memory_mb) as database:
        store = PhotoStore(database)
        _read_shards(ctx, store)
        threads = config.resources.num_threads
        look_alikes = find_look_alikes(ctx, store, config.near_distance, config.review.distance, threads)
        pairs = _review(ctx, store, look_alikes.across)
        num_strangers = set_strangers_aside(ctx, store)
        if not len(store):
            raise GateFailed(f"no species is left with {config.min_images_per_species} images")
        tally = Tally(regions, config.card, ctx.config.seed)
        index = _deal_out(ctx, store, rule, regions, tally, look_alikes.within)
        admit(ctx, lambda: _members(ctx, store, num_strangers))
        copies = _copies(ctx)
        _write(ctx, store, copies)
        excluded, by_license = store.left_out_by_reason(), store.dealt_by_license()
    ctx.output.write_json("class_index.json", index.to_json())
    ctx.output.write_json("regions.json", {region.name: sorted(region.countries) for region in regions})
    write_review(ctx, pairs, config.review.max_shown_pairs, config.card.thumbnail_pixels)
    undecided = sum(not pair.decision for pair in pairs)
    if undecided:
        ctx.log.warning("%d pairs of nearly equal photos of two species are left out: see review.html", undecided)
    summary = tally.summary(index) | {"excluded": sum(excluded.values()), "pairs_to_review": undecided}
    summary |= {"near_duplicates": look_alikes.counts} | ({"strangers": num_strangers} if num_strangers else {})
    ctx.log.info("%d classes; photos: %s", len(index), json.dumps(summary["photos"]))
    ctx.output.write_json("summary.json", summary)
    write_card(ctx, tally, excluded, summary, config.card)
    return {**summary, "by_license": by_license, "seconds": round(time.monotonic() - started, 2)}


def judge(config: SplitDatasetConfig, metrics: Mapping[str, Any]) -> list[str]:
    """Which licences of the split's photos are refused."""
    policy, found = config.gates.license_policy.to_policy(), list[str]()
    for license_id, count in metrics.get("by_license", {}).items():
        why = policy.refusal(license_id or None)
        found += [] if why is None else [f"{count} photos: {why}"]
    return found


def _members(ctx: PhaseContext[SplitDatasetConfig], store: PhotoStore, num_strangers: int) -> pa.Array:
    """Ids of the photos that the split will have."""
    dealt = store.dealt_ids()
    if not num_strangers:
        return dealt
    strangers = pq.read_table(ctx.output.path / STRANGERS_FILE, columns=["image_id"])["image_id"]
    return pa.concat_arrays([dealt, *strangers.chunks])


def _copies(ctx: PhaseContext[SplitDatasetConfig]) -> pa.Table:
    """What fetch_images set aside because of equal pixels."""
    return pq.read_table(
        ctx.input("images").file("failures.parquet"), filters=pc.field("reason") == str(Reason.DUPLICATE_PIXELS)
    )


def _read_shards(ctx: PhaseContext[SplitDatasetConfig], store: PhotoStore) -> None:
    """Fill the store with all photos but exact copies."""
    shards = ctx.input("images")
    copies = _copies(ctx)["image_id"].combine_chunks()
    num_shards = num_shards_of(shards)
    columns = [field.name for field in PHOTO_SCHEMA if field.name != "shard"]
    with ctx.progress(num_shards, "shards", "reading the shards' records") as progress:
        for number in range(num_shards):
            table = pq.read_table(shards.file(shard_name(number)), columns=columns)
            table = table.filter(~pc.field("image_id").isin(copies))
            store.add(table.append_column("shard", pa.array([number] * table.num_rows, pa.int32())))
            progress.update()


def _review(ctx: PhaseContext[SplitDatasetConfig], store: PhotoStore, look_alikes: Pairs) -> list[ReviewPair]:
    """Leave out what a person has to look at. Returns the pairs to review."""
    pairs = _to_review(ctx, store, look_alikes)
    dropped: dict[str, str] = {}
    for pair in pairs:
        dropped |= {key: why for key, why in pair.dropped().items() if key not in dropped}
    store.leave_out(Reason.NEAR_DUPLICATE_OF_ANOTHER_SPECIES, dropped.items())
    return pairs


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


def _to_review(ctx: PhaseContext[SplitDatasetConfig], store: PhotoStore, look_alikes: Pairs) -> list[ReviewPair]:
    path = _decisions_path(ctx.config)
    try:
        decisions = {} if path is None else read_decisions(path.read_text(encoding="utf-8-sig").splitlines())
    except ValueError as error:
        raise BadRequest(f"review.decisions: {path}: {error}") from None
    photos = store.photos({image_id for pair in look_alikes for image_id in pair})
    return pairs_to_review([(photos[one], photos[other]) for one, other in look_alikes], decisions)


def _frozen_test(ctx: PhaseContext[SplitDatasetConfig]) -> frozenset[str] | None:
    """The test photos of an earlier split, which are to stay the only ones."""
    if not ctx.has_input("frozen"):
        return None
    file = ctx.input("frozen").file("split.parquet")
    return frozenset(
        pq.read_table(file, columns=["image_id"], filters=pc.field("split") == TEST)["image_id"].to_pylist()
    )


def _deal_out(
    ctx: PhaseContext[SplitDatasetConfig],
    store: PhotoStore,
    rule: SplitRule,
    regions: tuple[Region, ...],
    tally: Tally,
    near_duplicates: Mapping[str, Pairs],
) -> ClassIndex:
    """Give every photo its split, species by species; those that can have none are left out. Returns the classes."""
    frozen_test, classes, unplaced = _frozen_test(ctx), list[PlantClass](), list[tuple[str, None]]()
    with ctx.progress(len(store), "photos", "dealing out") as progress:
        for species, table in store.by_species():
            rows = table.to_pylist()
            dealt = split_species(
                species,
                [row["image_id"] for row in rows],
                [observation_of(row["source"], row["observation_id"]) for row in rows],
                [_session(row) for row in rows],
                near_duplicates.get(species, ()),
                rule,
                ctx.config.seed,
                frozen_test,
            )
            for row, (split, group) in zip(rows, dealt, strict=True):
                row["split"], row["group"] = split, group
                row["regions"], row["regions_by_country"] = _regions_of(row, regions)
                row["class_index"] = len(classes)
            progress.update(len(rows))
            unplaced += [(row["image_id"], None) for row in rows if row["split"] is None]
            placed = [row for row in rows if row["split"] is not None]
            if placed:
                table = table.filter(pa.array([row["split"] is not None for row in rows], pa.bool_()))
                store.deal(table, **{name: [row[name] for row in placed] for name in PLACES})
                classes.append(_class_of(species, placed, regions))
                tally.add(species, placed)
    store.leave_out(Reason.SHARES_GROUP_WITH_FROZEN_TEST, unplaced)
    return ClassIndex.of(classes)


def _write(ctx: PhaseContext[SplitDatasetConfig], store: PhotoStore, copies: pa.Table) -> None:
    folder = ctx.output.scratch
    lines = {split: folder / f"{split}.jsonl" for split in SPLITS}
    store.write_split(folder / "split.parquet", lines, folder / "dealt.parquet")
    store.write_left_out(folder / "excluded.parquet", copies)
    for name in ("split.parquet", "excluded.parquet", *(path.name for path in lines.values())):
        ctx.output.publish(folder / name, name)


def _session(photo: dict[str, Any]) -> str | None:
    """A photographer's day: what one person shows of a species on one day may be one plant."""
    return f"{photo['author']}|{photo['observed_on']}" if photo["author"] and photo["observed_on"] else None


def _regions_of(photo: dict[str, Any], regions: tuple[Region, ...]) -> tuple[list[str], list[str]]:
    found = {region.name: region.membership(photo["country"], photo["distribution"] or ()) for region in regions}
    return (
        [name for name, how in found.items() if how is not Membership.NONE],
        [name for name, how in found.items() if how is Membership.BY_COUNTRY],
    )


def _class_of(species: str, photos: list[dict[str, Any]], regions: tuple[Region, ...]) -> PlantClass:
    """The species as a class. It lives in a region when its distribution or one of its photos says so."""
    distribution = sorted({code for photo in photos for code in photo["distribution"] or ()})
    lives_in = {name for photo in photos for name in photo["regions"]}
    lives_in |= {region.name for region in regions if region.countries.intersection(distribution)}
    return PlantClass(
        class_id=species,
        family=_most_common(photo["family"] for photo in photos),
        genus=_most_common(photo["genus"] for photo in photos),
        common_names=tuple(sorted({name for photo in photos for name in photo["common_names"] or ()})),
        distribution=tuple(distribution),
        regions=tuple(sorted(lives_in)),
    )


def _most_common(values: Any) -> str | None:
    counts = Counter(value for value in values if value)
    return min(counts, key=lambda value: (-counts[value], value)) if counts else None


PHASE = Phase(
    name="split_dataset",
    config=SplitDatasetConfig,
    inputs={"images": "image_shards", "frozen": "split?"},
    output="split",
    version=5,
    run=run,
    sources={"review_decisions": decisions_digest},
    judge=judge,
    look_again=look_again,
)
