"""configs/collection.yaml: all that is to be said of a collection, once, for every phase that has to know it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from aplantida.data.field_mapping import FieldMapping, Path
from aplantida.domain.address_secrets import ALWAYS, BESIDE_A_SIGNATURE, AddressSecrets
from aplantida.domain.dates import DateOrder
from aplantida.domain.licensing import LicensePolicy
from aplantida.domain.opt_out import OptOuts
from aplantida.pipeline.config import PhaseConfig, Section
from aplantida.pipeline.errors import BadRequest


def _no_name(value: str) -> str:
    if value:
        raise ValueError("want a YAML file that says what is to be known of the collection")
    return value


# of phases that need no more of the collection than what its file says: nothing is left of the key once it is read
FileOnly = Annotated[str, AfterValidator(_no_name)]


class MappingSection(Section):
    """Field names of the collection: dotted paths, tried in order; an empty list = no such field.

    A list in place of a path joins what its paths lead to. See :class:`aplantida.data.field_mapping.FieldMapping`.
    """

    scientific_name: tuple[Path, ...] = ("scientificName",)
    family: tuple[Path, ...] = ("family",)
    genus: tuple[Path, ...] = ("genus",)
    common_names: tuple[Path, ...] = ("commonNames",)
    distribution: tuple[Path, ...] = ("distribution",)
    images: tuple[Path, ...] = ("images",)
    image_url: tuple[Path, ...] = ("url",)
    image_license: tuple[Path, ...] = ("license",)
    image_author: tuple[Path, ...] = ("author",)
    image_source: tuple[Path, ...] = ("source",)
    image_observation_id: tuple[Path, ...] = ("observationId",)
    image_observed_on: tuple[Path, ...] = ("observedOn",)
    image_country: tuple[Path, ...] = ("country",)

    @model_validator(mode="after")
    def _check_paths(self) -> MappingSection:
        self.to_mapping()
        return self

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


class SecretSection(Section):
    """Parameters of addresses that are secrets. See :class:`aplantida.domain.address_secrets.AddressSecrets`."""

    always: tuple[str, ...] = ALWAYS
    beside_a_signature: tuple[str, ...] = BESIDE_A_SIGNATURE

    @model_validator(mode="after")
    def _check_names(self) -> SecretSection:
        self.to_secrets()
        return self

    def to_secrets(self) -> AddressSecrets:
        """As domain/address_secrets wants it."""
        return AddressSecrets.of(self.always, self.beside_a_signature)


class OptOutSection(Section):
    """Who wants no part in it."""

    authors: list[str] = Field(default_factory=list)
    hosts: list[str] = Field(default_factory=list)
    images: list[str] = Field(default_factory=list)

    def to_opt_outs(self, secrets: AddressSecrets) -> OptOuts:
        """As domain/opt_out wants it.

        Raises:
            BadRequest: for what is no author, no host, or no photo.
        """
        try:
            return OptOuts.of(self.authors, self.hosts, self.images, secrets)
        except ValueError as error:
            raise BadRequest(f"opt_out: {error}") from None


class PhotoGates(Section):
    """Which photos a phase may learn from: no part of what is made, for what they refuse is made by nobody."""

    license_policy: LicenseSection = LicenseSection()
    opt_out: OptOutSection = OptOutSection()
    secret_parameters: SecretSection = SecretSection()  # an address that opted out is compared without them


class CollectionKeys(Section):
    """What is to be known of a collection to read it."""

    mongo_uri: str | None = None
    db_name: str = "aplantida_db"
    collection: str = "plants"
    mapping: MappingSection = MappingSection()
    names: Literal["scientific", "as_written"] = "scientific"
    infraspecific: Literal["own", "species"] = "own"
    synonyms: str | None = None
    date_order: DateOrder = "day_first"
    default_license: str | None = None
    license_texts: dict[str, str] = Field(default_factory=dict)
    license_policy: LicenseSection = LicenseSection()
    opt_out: OptOutSection = OptOutSection()
    secret_parameters: SecretSection = SecretSection()
    allow_addresses: list[str] = Field(default_factory=list)
    min_images_per_species: int = Field(default=5, ge=1)
    keep_strangers: bool = False


class SharedHttp(Section):
    """What is taken from servers."""

    max_bytes: int = Field(default=50_000_000, ge=1)
    max_redirects: int = Field(default=3, ge=0)


class SharedManners(Section):
    """Who asks them."""

    user_agent: str = Field(default="aplantida/0.1 (plant photos for a species identifier)", min_length=8)


class SharedResources(Section):
    """How hard each of them is asked."""

    http: SharedManners = SharedManners()
    concurrency_per_host: int = Field(default=16, ge=1)
    requests_per_second_per_host: float | None = Field(default=None, gt=0)


class CollectionFile(CollectionKeys):
    """Fields of configs/collection.yaml."""

    http: SharedHttp = SharedHttp()
    resources: SharedResources = SharedResources()


class LearningConfig(PhaseConfig):
    """A phase that learns from photos, and asks first which of them it may; its ``gates`` are ``PhotoGates``."""

    SHARED: ClassVar[Mapping[str, type[Section]]] = {"collection": CollectionFile}
    SHARED_AS: ClassVar[Mapping[str, str]] = {
        "collection": "",
        **{f"opt_out.{name}": f"gates.opt_out.{name}" for name in OptOutSection.model_fields},
        **{f"license_policy.{name}": f"gates.license_policy.{name}" for name in LicenseSection.model_fields},
        **{f"secret_parameters.{name}": f"gates.secret_parameters.{name}" for name in SecretSection.model_fields},
    }

    collection: FileOnly = ""
