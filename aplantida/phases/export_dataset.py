"""Phase export_dataset: the Mongo collection becomes records, and whatever is refused a row with a reason."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import Field

from aplantida.data.addresses import AddressGuard
from aplantida.data.entries import FieldMapping
from aplantida.data.links import check_together, count_values, read_checked_entries, records_of, rejections_of
from aplantida.data.mongo import CollectionAddress, CollectionError, collection_digest, split_ranges
from aplantida.domain.licensing import LicensePolicy, normalize_license
from aplantida.domain.opt_out import OptOuts
from aplantida.domain.taxonomy import read_synonyms
from aplantida.pipeline.artifact import hash_file
from aplantida.pipeline.config import PhaseConfig, Section, expand, root
from aplantida.pipeline.errors import BadRequest, GateFailed
from aplantida.pipeline.phase import Phase, PhaseContext


class MappingSection(Section):
    """Field names of the collection: dotted paths, tried in order; an empty list = no such field."""

    scientific_name: tuple[str, ...] = ("scientificName",)
    family: tuple[str, ...] = ("family",)
    genus: tuple[str, ...] = ("genus",)
    common_names: tuple[str, ...] = ("commonNames",)
    distribution: tuple[str, ...] = ("distribution",)
    images: tuple[str, ...] = ("images",)
    image_url: tuple[str, ...] = ("url",)
    image_license: tuple[str, ...] = ("license",)
    image_author: tuple[str, ...] = ("author",)
    image_source: tuple[str, ...] = ("source",)
    image_observation_id: tuple[str, ...] = ("observationId",)
    image_observed_on: tuple[str, ...] = ("observedOn",)
    image_country: tuple[str, ...] = ("country",)

    def to_mapping(self) -> FieldMapping:
        """As data/entries wants it."""
        return FieldMapping(**self.model_dump())


class LicenseSection(Section):
    """Which licences are accepted."""

    allow_share_alike: bool = True
    also_allowed: list[str] = Field(default_factory=list)

    def to_policy(self) -> LicensePolicy:
        """As domain/licensing wants it."""
        return LicensePolicy(self.allow_share_alike, tuple(self.also_allowed))


class OptOutSection(Section):
    """Who wants no part in it."""

    authors: list[str] = Field(default_factory=list)
    hosts: list[str] = Field(default_factory=list)

    def to_opt_outs(self) -> OptOuts:
        """As domain/opt_out wants it.

        Raises:
            BadRequest: for what is no author or no host.
        """
        try:
            return OptOuts.of(self.authors, self.hosts)
        except ValueError as error:
            raise BadRequest(f"opt_out: {error}") from None


class ReaderResources(Section):
    """How much of the machine reading takes."""

    num_readers: int | None = Field(default=None, ge=0)


class CollectionConfig(PhaseConfig):
    """What every phase that reads the collection needs to know."""

    mongo_uri: str | None = None
    db_name: str = "aplantida_db"
    collection: str = "plants"
    mapping: MappingSection = MappingSection()
    synonyms: str | None = None
    default_license: str | None = None
    license_policy: LicenseSection = LicenseSection()
    opt_out: OptOutSection = OptOutSection()
    allow_addresses: list[str] = Field(default_factory=list)
    min_images_per_species: int = Field(default=5, ge=1)


class ExportDatasetConfig(CollectionConfig):
    """Fields of configs/export_dataset.yaml."""

    audit_must_pass: bool = False
    resources: ReaderResources = ReaderResources()


def address_of(config: CollectionConfig) -> CollectionAddress:
    """Where the collection is.

    Raises:
        BadRequest: when the config holds credentials.
    """
    try:
        return CollectionAddress.find(config.mongo_uri, config.db_name, config.collection)
    except CollectionError as error:
        raise BadRequest(str(error)) from None


def source_digest(config: CollectionConfig) -> str:
    """Digest of the whole collection: part of the recipe, so that a changed collection is noticed.

    Raises:
        BadRequest: when the collection cannot be read.
    """
    try:
        return collection_digest(address_of(config))
    except CollectionError as error:
        raise BadRequest(f"mongo_uri / MONGO_URI: {error}") from None


def synonyms_digest(config: CollectionConfig) -> str:
    """Digest of the synonyms file.

    Raises:
        BadRequest: when it is not there.
    """
    return "none" if config.synonyms is None else hash_file(_synonyms_path(config.synonyms))


def read_synonyms_of(config: CollectionConfig) -> dict[str, str]:
    """The synonyms file's accepted name by synonym.

    Raises:
        BadRequest: naming the file and the line.
    """
    if config.synonyms is None:
        return {}
    path = _synonyms_path(config.synonyms)
    try:
        return read_synonyms(path.read_text(encoding="utf-8-sig").splitlines())
    except ValueError as error:  # UnicodeDecodeError is one
        raise BadRequest(f"synonyms: {path}: {error}") from None


def _synonyms_path(text: str) -> Path:
    path = root() / expand(text)
    if not path.is_file():
        raise BadRequest(f"synonyms: {text!r} is {path}, where no file is")
    return path


def read_collection(ctx: PhaseContext[Any], config: CollectionConfig, num_readers: int | None) -> pa.Table:
    """All entries of the collection, each with its first reason of those that need one entry only.

    Raises:
        BadRequest: for a default licence nobody can read, an address list that is none, or an empty collection.
    """
    from aplantida.distributed.mapping import map_tables
    from aplantida.distributed.session import cluster_cpus, ray_session_if

    _check(config)
    address = address_of(config)
    arguments = {
        "address": address,
        "mapping": config.mapping.to_mapping(),
        "default_license": config.default_license,
        "synonyms": read_synonyms_of(config),
        "opt_outs": config.opt_out.to_opt_outs(),
        "allow_addresses": tuple(config.allow_addresses),
        "policy": config.license_policy.to_policy(),
    }
    tables: list[pa.Table] = []
    try:
        with ray_session_if(num_readers != 0), ctx.progress(None, "entries", "reading the collection") as progress:
            ranges = split_ranges(address, cluster_cpus() if num_readers is None else max(1, num_readers))
            blocks = (ranges.slice(row, 1) for row in range(ranges.num_rows))
            for table in map_tables(blocks, read_checked_entries, arguments, max_tasks=num_readers):
                tables.append(table)
                progress.update(table.num_rows)
    except CollectionError as error:
        raise BadRequest(str(error)) from None
    if not tables:
        raise BadRequest(f"{config.db_name}.{config.collection} holds no documents: check db_name and collection")
    return pa.concat_tables(tables)


def _check(config: CollectionConfig) -> None:
    if config.default_license is not None and normalize_license(config.default_license) is None:
        raise BadRequest(f"default_license = {config.default_license!r}: not a licence I can read; e.g. CC BY 4.0")
    try:
        AddressGuard.of(config.allow_addresses)
    except ValueError as error:
        raise BadRequest(f"allow_addresses: {error}") from None


def run(ctx: PhaseContext[ExportDatasetConfig]) -> dict[str, Any]:
    """Read, check, write."""
    config = ctx.config
    started = time.monotonic()
    audit = _audit_verdict(ctx)
    entries = check_together(read_collection(ctx, config, config.resources.num_readers), config.min_images_per_species)
    records, rejections = records_of(entries), rejections_of(entries)
    reasons = count_values(rejections["reason"])
    ctx.log.info("%d records; refused: %s", records.num_rows, json.dumps(reasons))
    if not records.num_rows:
        raise GateFailed(f"not one entry of {config.db_name}.{config.collection} is acceptable: {json.dumps(reasons)}")
    ctx.output.write_table("records.parquet", records)
    ctx.output.write_text(
        "records.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in records.to_pylist())
    )
    ctx.output.write_table("rejections.parquet", rejections)
    summary = {
        "num_documents": len(set(entries["document_id"].to_pylist())),
        "num_records": records.num_rows,
        "num_species": len(set(records["scientific_name"].to_pylist())),
        "rejections_by_reason": reasons,
        "records_by_license": count_values(records["license_id"]),
        "records_by_synonym": count_values(entries.filter(entries["reason"].is_null())["synonym"].drop_null()),
        "audit_verdict": audit,
    }
    ctx.output.write_json("summary.json", summary)
    return {**summary, "seconds": round(time.monotonic() - started, 2)}


def _audit_verdict(ctx: PhaseContext[ExportDatasetConfig]) -> str | None:
    if not ctx.has_input("audit"):
        if ctx.config.audit_must_pass:
            raise BadRequest("audit_must_pass is true and no audit is given: --input audit=PATH of a dataset_audit")
        return None
    audit = ctx.input("audit")
    verdict = str(json.loads(audit.file("audit.json").read_text(encoding="utf-8"))["verdict"])
    if verdict != "pass" and ctx.config.audit_must_pass:
        raise GateFailed(f"{audit.path}: the audit's verdict is {verdict!r} and audit_must_pass is true")
    return verdict


PHASE = Phase(
    name="export_dataset",
    config=ExportDatasetConfig,
    inputs={"audit": "dataset_audit?"},
    output="records",
    version=2,
    run=run,
    sources={"collection": source_digest, "synonyms": synonyms_digest},
)
