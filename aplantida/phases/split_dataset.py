"""Phase split_dataset: which photo trains, which validates, which tests; the classes; the regions."""

from __future__ import annotations

import json
import time
from bisect import bisect_right
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, field_validator

from aplantida.data.addresses import host_of
from aplantida.data.images import thumbnail
from aplantida.data.review import ReviewPair, pairs_to_review, read_decisions, review_csv
from aplantida.data.shards import shard_name
from aplantida.data.splitting import TEST, TRAIN, SplitRule, rows_by, split_species
from aplantida.domain.class_index import ClassIndex, PlantClass
from aplantida.domain.record import RECORD_SCHEMA, REJECTION_SCHEMA, Reason, shard_of
from aplantida.domain.region import Membership, Region, regions_from_mapping
from aplantida.domain.split import SPLIT_SCHEMA, SPLITS
from aplantida.phases._photos import drawn, read_photos
from aplantida.pipeline.artifact import Artifact, hash_file
from aplantida.pipeline.config import PhaseConfig, Section, expand, root
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
    _write_review(ctx, pairs)
    undecided = sum(not pair.decision for pair in pairs)
    if undecided:
        ctx.log.warning("%d pairs of nearly equal photos of two species are left out: see review.html", undecided)
    summary = _summary(photos, index, excluded, regions) | {"pairs_to_review": undecided}
    ctx.log.info("%d classes; photos: %s", len(index), json.dumps(summary["photos"]))
    ctx.output.write_json("summary.json", summary)
    _write_card(ctx, photos, excluded, summary)
    return {**summary, "seconds": round(time.monotonic() - started, 2)}


def _usable(ctx: PhaseContext[SplitDatasetConfig]) -> tuple[list[dict[str, Any]], pa.Table, list[ReviewPair]]:
    """Photos of species with enough of them, what is left out with a reason (duplicates first), and pairs to review."""
    shards = ctx.input("images")
    failures = pq.read_table(shards.file("failures.parquet"))
    is_copy = [reason == Reason.DUPLICATE_PIXELS for reason in failures["reason"].to_pylist()]
    aside = failures.filter(pa.array(is_copy, pa.bool_()))
    set_aside = set(aside["image_id"].to_pylist())
    num_shards = _num_shards(shards)
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


def _num_shards(images: Artifact) -> int:
    return int(json.loads(images.file("summary.json").read_text(encoding="utf-8"))["num_shards"])


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


def _write_review(ctx: PhaseContext[SplitDatasetConfig], pairs: list[ReviewPair]) -> None:
    """The list of doubtful pairs, and a page with the photos side by side."""
    from aplantida.release.data_pages import review_page
    from aplantida.release.page import Shown

    ctx.output.write_text("review.csv", review_csv(pairs))
    shown, num_shards = pairs[: ctx.config.review.max_shown_pairs], _num_shards(ctx.input("images"))
    ids = sorted({image_id for pair in shown for image_id in (pair.image_id_a, pair.image_id_b)})
    places = [shard_of(image_id, num_shards) for image_id in ids]
    rows = pa.table({"image_id": pa.array(ids, pa.string()), "shard": pa.array(places, pa.int32())})
    columns = ("image", "scientific_name", "author", "license_id")
    photos = {photo["image_id"]: photo for photo in read_photos(ctx.input("images"), rows, columns)}

    def show(image_id: str) -> Shown:
        photo = photos[image_id]
        small = thumbnail(photo["image"], ctx.config.card.thumbnail_pixels)
        return Shown(small, photo["scientific_name"], (photo["author"] or "", photo["license_id"], image_id))

    sheets = [
        (
            f"{pair.distance} bits apart; {pair.decision or 'not decided'}",
            (show(pair.image_id_a), show(pair.image_id_b)),
        )
        for pair in shown
    ]
    ctx.output.write_text("review.html", review_page(len(pairs), sheets))


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
    inputs={"images": "image_shards", "frozen": "split?"},
    output="split",
    version=3,
    run=run,
    sources={"review_decisions": decisions_digest},
)
