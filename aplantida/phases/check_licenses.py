"""The licence gate: every photo of the split, by today's opt-outs too, and all weights of the lineage; the credits."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pyarrow.parquet as pq
from pydantic import Field, field_validator

from aplantida.domain.licensing import LicensePolicy, is_share_alike
from aplantida.domain.split import STRANGERS_FILE
from aplantida.domain.weights import ALLOWED_LICENSES
from aplantida.phases._admission import NAMED, VIOLATIONS_FILE, refusal
from aplantida.phases._collection_file import CollectionFile, FileOnly, OptOutSection, SecretSection
from aplantida.phases._opt_outs import photos_known, tell_unmatched
from aplantida.phases._scratch import scratch_database
from aplantida.phases._weights import stated_weights
from aplantida.pipeline.artifact import Artifact, hash_file
from aplantida.pipeline.config import PhaseConfig, Section, find_file
from aplantida.pipeline.errors import BadRequest, GateFailed
from aplantida.pipeline.phase import Phase, PhaseContext
from aplantida.release.attributions import LIST_FILES, to_html

if TYPE_CHECKING:
    from aplantida.release.credit_store import CreditStore
    from aplantida.release.licenses import WeightAudit
    from aplantida.release.lineage import Lineage

FORMAT = "aplantida.license_report/1"
NAMED_AUTHORS = 1000  # of most photos, on the page


LicenseClass = Literal["share-alike"]
MEMBERS: dict[str, Callable[[str], bool]] = {"share-alike": is_share_alike}
UNDECIDED = "%s: no release before somebody decides: say who, what and when under `decisions`, and make %s anew"
NAMELESS = "the licences of %d photos ask for the author, and none is given; the report lists them"
QUESTIONS = {"share-alike": "May a model that learned from these photos be given under another licence than theirs?"}


class Decision(Section):
    """Who decided what of a class of licences that the policy asks about, and when."""

    about: LicenseClass
    decided: str = Field(pattern=r"\S")
    by: str = Field(pattern=r"\S")
    date: datetime.date

    @field_validator("date")
    @classmethod
    def _is_past(cls, value: datetime.date) -> datetime.date:
        today = datetime.datetime.now().astimezone().date()
        if value > today:
            raise ValueError(f"{value} is after today ({today}): want the day on which it was decided")
        return value


class PhotoPolicy(Section):
    """Which licences of photos are accepted, and of which somebody must decide."""

    allow_share_alike: bool = True
    ask: tuple[LicenseClass, ...] = ("share-alike",)
    also_allowed: tuple[str, ...] = ()
    require_author: bool = False


class CheckResources(Section):
    """What the credits may use."""

    memory_mb: int = Field(default=512, ge=128)


class CheckLicensesConfig(PhaseConfig):
    """What may be shipped."""

    SHARED: ClassVar[Mapping[str, type[Section]]] = {"collection": CollectionFile}
    SHARED_AS: ClassVar[Mapping[str, str]] = {"collection": ""}

    collection: FileOnly = ""
    license_policy: PhotoPolicy = PhotoPolicy()
    opt_out: OptOutSection = OptOutSection()
    secret_parameters: SecretSection = SecretSection()
    decisions: tuple[Decision, ...] = ()
    allowed_weight_licenses: tuple[str, ...] = ALLOWED_LICENSES
    weights_list: str = "configs/weights.yaml"
    title: str = "Photo credits"
    resources: CheckResources = CheckResources()


def run(ctx: PhaseContext[CheckLicensesConfig]) -> dict[str, Any]:
    """Audit; report either way, and refuse what offends."""
    from aplantida.release.credit_store import CreditStore
    from aplantida.release.licenses import audit_photos, audit_weights
    from aplantida.release.lineage import trace

    config, images, split = ctx.config, ctx.input("images"), ctx.input("split")
    policy = LicensePolicy(config.license_policy.allow_share_alike, config.license_policy.also_allowed)
    with scratch_database(ctx, "credits", config.resources.memory_mb) as database:
        credits = CreditStore(database, *_listed(split), config.secret_parameters.to_secrets())
        _read_credits(ctx, credits)
        photos = audit_photos(credits, policy, require_author=config.license_policy.require_author)
        lineage = trace(ctx.input_list("checkpoints"))
        weights = audit_weights(
            lineage, images, split, config.allowed_weight_licenses, stated_weights(config.weights_list)
        )
        questions = _decisions(config, photos.looked_at)
        needed = [row["about"] for row in questions if row["decision"] is None]
        offending = photos.num_violations + len(weights.violations)
        summary = {
            **credits.count(),
            "by_license": photos.by_license,
            "num_missing_author": photos.num_missing_author,
            "missing_author": list(photos.missing_author),
            "authors": credits.authors(NAMED_AUTHORS),
        }
        report = {
            "format": FORMAT,
            "production_safe": not offending and not needed,
            "decisions_needed": needed,
            "decisions": questions,
            "policy": config.model_dump(mode="json", include={"license_policy", "allowed_weight_licenses"}),
            "photos": summary,
            "weights": list(weights.checkpoints),
        }
        if offending:
            _list_offenders(ctx, credits, lineage, weights)
            ctx.output.write_json("license_report.json", {**report, "violations": offending, "listed": VIOLATIONS_FILE})
            first = [*photos.violations, *weights.violations][:NAMED]
            raise GateFailed(refusal(offending, first, f", all in {ctx.output.path / VIOLATIONS_FILE}"))
        _write_credits(ctx, credits, summary)
    ctx.output.write_json("license_report.json", report)
    for about in needed:
        ctx.log.warning(UNDECIDED, about, ctx.output.path)
    if photos.num_missing_author:
        ctx.log.warning(NAMELESS, photos.num_missing_author)
    ctx.log.info("%d photos and %d checkpoints pass", summary["num_photos"], len(weights.checkpoints))
    return {"num_photos": summary["num_photos"], "num_missing_author": photos.num_missing_author, "violations": 0}


def _decisions(config: CheckLicensesConfig, by_license: Mapping[str, int]) -> list[dict[str, Any]]:
    """What the policy asks about and photos or strangers are under: how many, the question, and the decision if any."""
    decided = {decision.about: decision.model_dump(mode="json", exclude={"about"}) for decision in config.decisions}
    if len(decided) < len(config.decisions):
        raise BadRequest(f"decisions: two are about one of {', '.join(decided)}; want one each")
    rows: list[dict[str, Any]] = []
    for about in config.license_policy.ask:
        asked = {name: count for name, count in by_license.items() if MEMBERS[about](name)}
        if asked:
            facts = {"num_photos": sum(asked.values()), "by_license": asked, "question": QUESTIONS[about]}
            rows.append({"about": about, **facts, "decision": decided.get(about)})
    return rows


def _read_credits(ctx: PhaseContext[CheckLicensesConfig], credits: CreditStore) -> None:
    """Fill ``credits`` with those of every photo of the split and of its strangers."""
    from aplantida.data.withdrawn import withdrawn_among, withdrawn_pictures
    from aplantida.release.credit_store import CREDIT_SCHEMA

    images, split = ctx.input("images"), ctx.input("split")
    opt_outs = ctx.config.opt_out.to_opt_outs(ctx.config.secret_parameters.to_secrets())
    pictures = withdrawn_pictures(images.files_under("shards"), opt_outs)
    for shard in images.files_under("shards"):
        photos = pq.read_table(shard, columns=[*CREDIT_SCHEMA.names, "pixel_sha256"])
        credits.add(photos)
        if opt_outs:
            credits.withdraw(withdrawn_among(photos, opt_outs, pictures))
    known = photos_known(images) if ctx.config.opt_out.images else None
    if known is not None:
        tell_unmatched(known, ctx.config.opt_out, ctx.config.secret_parameters, ctx.log)
    num_absent, first = credits.absent()
    if num_absent:
        raise BadRequest(f"{images.path}: lacks {num_absent} photos of {split.path}, {first} among them")


def _listed(split: Artifact) -> tuple[Path, Path | None]:
    """Where the split lists photos, and where those of species that are no classes: a model is calibrated on them."""
    return split.file("split.parquet"), split.file(STRANGERS_FILE) if STRANGERS_FILE in split.files else None


def _list_offenders(
    ctx: PhaseContext[CheckLicensesConfig], credits: CreditStore, lineage: Lineage, weights: WeightAudit
) -> None:
    """Every offender into a file, each with its own file, its text, its way, and the releases it came into."""
    from aplantida.release.offenders import photos_that_offend, releases_from, way, weights_that_offend, write_offenders

    images, shipped = ctx.input("images"), ctx.input_list("checkpoints")
    listing = ctx.output.scratch / VIOLATIONS_FILE
    released, unread = releases_from(lineage)
    for text in unread:
        ctx.log.warning("%s", text)
    offenders = itertools.chain(
        weights_that_offend(weights, lineage, shipped, released),
        photos_that_offend(credits, images, way(lineage, images, shipped), released),
    )
    write_offenders(listing, offenders, NAMED)
    ctx.output.publish(listing, VIOLATIONS_FILE)


def _write_credits(ctx: PhaseContext[CheckLicensesConfig], credits: CreditStore, photos: dict[str, Any]) -> None:
    """The list of all photos, for programs and for people, and a page that sums it up."""
    csv, parquet = LIST_FILES
    credits.write_list(ctx.output.scratch / parquet, ctx.output.scratch / csv)
    for name in LIST_FILES:
        ctx.output.publish(ctx.output.scratch / name, name)
    html = to_html(photos, ctx.config.title, f"{csv} and {parquet} beside this page.")
    ctx.output.write_text("attributions.html", html)


def _weights_digest(config: CheckLicensesConfig) -> str:
    """What is stated of weights lies outside artifacts: said differently, looked at again."""
    return hash_file(find_file(config.weights_list))


PHASE = Phase(
    name="check_licenses",
    config=CheckLicensesConfig,
    inputs={"images": "image_shards", "split": "split", "checkpoints": "checkpoint+"},
    output="license_report",
    version=4,
    sources={"weights": _weights_digest},
    run=run,
)
