"""The collection, as export_dataset and audit_dataset read it: where it is, what it calls things, what is accepted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from aplantida.data.addresses import AddressGuard
from aplantida.data.collection_address import CollectionAddress, CollectionError
from aplantida.data.documents import ContentSum
from aplantida.data.entry_runs import write_checked_runs
from aplantida.data.entry_store import EntryStore
from aplantida.data.mongo import check_address, collection_digest, split_ranges
from aplantida.domain.licensing import LicenseTexts
from aplantida.domain.taxonomy import Naming, read_synonyms
from aplantida.phases._collection_file import CollectionFile, CollectionKeys, MappingSection
from aplantida.phases._scratch import scratch_database
from aplantida.pipeline.artifact import hash_file
from aplantida.pipeline.config import PhaseConfig, Section, expand, root
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.phase import PhaseContext

__all__ = ["CollectionConfig", "MappingSection", "ReaderResources"]


class ReaderResources(Section):
    """How much of the machine reading takes."""

    num_readers: int | None = Field(default=None, ge=0)
    memory_mb: int = Field(default=512, ge=128)


class CollectionConfig(CollectionKeys, PhaseConfig):
    """What every phase that reads the collection needs to know."""

    SHARED: ClassVar[Mapping[str, type[Section]]] = {"collection": CollectionFile}


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
    with _told():
        return collection_digest(address_of(config))


def look_at_collection(config: CollectionConfig) -> None:
    """Look at all that a config says of the collection, without asking the server.

    Raises:
        BadRequest: for credentials in the config, an address that is none, a file that is not there or cannot be read,
            a default licence nobody can read, opt-outs or an address list that are none.
    """
    with _told():
        check_address(address_of(config))
    read_synonyms_of(config)
    naming_of(config)
    config.opt_out.to_opt_outs(config.secret_parameters.to_secrets())
    _check(config)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except CollectionError as error:
        raise BadRequest(
            f"mongo_uri / MONGO_URI: {error}. Want the address of a mongod that runs (mongodb://HOST:27017). Where "
            "audit and export are sealed, run_pipeline goes on without the collection under `sources: sealed`"
        ) from None


def synonyms_digest(config: CollectionConfig) -> str:
    """Digest of the synonyms file.

    Raises:
        BadRequest: when it is not there.
    """
    return "none" if config.synonyms is None else hash_file(_synonyms_path(config.synonyms))


def naming_of(config: CollectionConfig) -> Naming:
    """How names become classes, as domain/taxonomy wants it.

    Raises:
        BadRequest: for ranks below the species of names that are not read.
    """
    if config.names == "as_written" and config.infraspecific != "own":
        raise BadRequest(f"infraspecific = {config.infraspecific!r}: of names as_written nobody knows the species")
    return Naming(config.names, config.infraspecific)


def read_synonyms_of(config: CollectionConfig) -> dict[str, str]:
    """The synonyms file's accepted name by synonym.

    Raises:
        BadRequest: naming the file and the line.
    """
    if config.synonyms is None:
        return {}
    path = _synonyms_path(config.synonyms)
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return read_synonyms(lines, naming_of(config))
    except ValueError as error:  # UnicodeDecodeError is one
        raise BadRequest(f"synonyms: {path}: {error}") from None


def _synonyms_path(text: str) -> Path:
    path = root() / expand(text)
    if not path.is_file():
        raise BadRequest(f"synonyms: {text!r} is {path}, where no file is")
    return path


@contextmanager
def checked_collection(
    ctx: PhaseContext[Any], config: CollectionConfig, resources: ReaderResources
) -> Iterator[EntryStore]:
    """All entries of the collection, each with its first reason against it.

    Raises:
        BadRequest: for a default licence nobody can read, an address list that is none, or an empty collection.
    """
    from aplantida.distributed.session import ray_session_if

    _check(config)
    runs = ctx.output.scratch / "runs"
    shutil.rmtree(runs, ignore_errors=True)
    runs.mkdir()
    try:
        with (
            ray_session_if(resources.num_readers != 0),
            scratch_database(ctx, "entries", resources.memory_mb) as database,
        ):
            store, num_entries = EntryStore(database, config.secret_parameters.to_secrets()), 0
            for name, num_rows in _read(ctx, config, resources.num_readers, runs):
                store.add(runs / name)
                num_entries += num_rows
            if not num_entries:
                raise BadRequest(
                    f"{config.db_name}.{config.collection} holds no documents: check db_name and collection"
                )
            store.check_together(1 if config.keep_strangers else config.min_images_per_species)
            yield store
    finally:
        shutil.rmtree(runs, ignore_errors=True)


def _read(
    ctx: PhaseContext[Any], config: CollectionConfig, wanted_readers: int | None, runs: Path
) -> Iterator[tuple[str, int]]:
    """Have the collection written down in runs: the name of each, and its number of rows."""
    from aplantida.distributed.mapping import map_tables
    from aplantida.distributed.session import cluster_cpus

    num_readers = cluster_cpus() if wanted_readers is None else wanted_readers
    address = address_of(config)
    arguments = {
        "folder": runs,
        "address": address,
        "mapping": config.mapping.to_mapping(),
        "default_license": config.default_license,
        "license_texts": config.license_texts,
        "synonyms": read_synonyms_of(config),
        "naming": naming_of(config),
        "date_order": config.date_order,
        "secrets": config.secret_parameters.to_secrets(),
        "opt_outs": config.opt_out.to_opt_outs(config.secret_parameters.to_secrets()),
        "allow_addresses": tuple(config.allow_addresses),
        "policy": config.license_policy.to_policy(),
    }
    content = ContentSum()
    try:
        with ctx.progress(None, "entries", "reading the collection") as progress:
            ranges = split_ranges(address, max(1, num_readers))
            blocks = (ranges.slice(row, 1) for row in range(ranges.num_rows))
            for table in map_tables(blocks, write_checked_runs, arguments, max_tasks=num_readers):
                for run in table.to_pylist():
                    if run["name"] is None:
                        content.join(ContentSum(run["num_documents"], int.from_bytes(run["content"], "big")))
                    else:
                        progress.update(run["num_rows"])
                        yield run["name"], run["num_rows"]
    except CollectionError as error:
        raise BadRequest(str(error)) from None
    if ctx.sources.get("collection", content.digest()) != content.digest():
        raise BadRequest(
            f"{config.db_name}.{config.collection} changed while it was read ({content.num_documents} documents were "
            "found at last): run again; a collection that is written to all the time is exported from a copy"
        )


def _check(config: CollectionConfig) -> None:
    try:
        texts = LicenseTexts(config.license_texts)
    except ValueError as error:
        raise BadRequest(f"license_texts: {error}") from None
    default = config.default_license
    if default is not None and texts.read(default).license_id is None:
        problem = texts.read(default).problem or "it is empty"
        raise BadRequest(f"default_license = {default!r}: not a licence I can read, {problem}; e.g. CC BY 4.0")
    try:
        AddressGuard.of(config.allow_addresses)
    except ValueError as error:
        raise BadRequest(f"allow_addresses: {error}") from None
