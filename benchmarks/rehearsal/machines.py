"""Hours of a plain run here and on other machines, from what was measured and ratios that say where they come from.

Everything but what was measured at full size is an estimate, and is labelled so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.rehearsal.networks import NetworkSeconds
from benchmarks.rehearsal.workload import Work

PARALLEL = frozenset({"audit_dataset", "export_dataset", "fetch_images", "combine_teacher_logits"})

# photos/s of one H200 (torch 2.11, bfloat16, one batch again and again): trained, scored. MobileNetV2's scoring was not
# measured there: three times its training, as its arithmetic has it
H200 = {"vit_base_patch16_224": (1955.0, 8839.0), "mobilenetv2": (4450.0, 13350.0)}
DECODERS = 8  # threads that decode ahead of a GPU, see aplantida.models.inference.Scorer
H200_TFLOPS, H200_BANDWIDTH = 989.0, 4800.0
CONVOLUTIONAL = "mobilenetv2"


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine by its data sheet.

    Attributes:
        name: as in the table.
        num_cores: of the processor, each taken to be as fast as one here.
        tflops: of the GPU, dense bfloat16 with float32 sums: transformers go by it.
        bandwidth: of its memory, GB/s: small convolutional networks go by it.
    """

    name: str
    num_cores: int
    tflops: float
    bandwidth: float

    def gpu_seconds(self, network: str, networks: Mapping[str, NetworkSeconds]) -> tuple[float, float]:
        """Seconds of a photo trained and scored; a network the H200 was not tried on goes by MobileNetV2's, as here."""
        if network in H200:
            trained, scored = H200[network]
            share = self.bandwidth / H200_BANDWIDTH if network == CONVOLUTIONAL else self.tflops / H200_TFLOPS
            return 1 / (trained * share), 1 / (scored * share)
        own = next(item for item in networks.values() if item.network == network)
        like = next(item for item in networks.values() if item.network == CONVOLUTIONAL)
        trained, scored = self.gpu_seconds(CONVOLUTIONAL, networks)
        return trained * own.train_seconds / like.train_seconds, scored * own.score_seconds / like.score_seconds


OTHERS = (
    Machine("8 cores, RTX 3090", 8, 71.0, 936.0),  # NVIDIA, GA102 white paper
    Machine("8 cores, RTX 3060 8 GB", 8, 25.4, 240.0),  # 112 of the same tensor cores at 1.78 GHz; 128-bit GDDR6
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A step of a plain run of the whole collection.

    Attributes:
        how: ``measured`` at full size, or how it was extrapolated.
        here: hours on this machine.
        others: hours on :data:`OTHERS`.
    """

    how: str
    here: float
    others: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Observed:
    """What a step took in the rehearsal.

    Attributes:
        phase: whose job.
        seconds: of wall clock, start-up included.
        start_up: of these, seconds that no photo changes.
        work: what it did.
        whole: whether it did all that a plain run does.
    """

    phase: str
    seconds: float
    start_up: float
    work: Work
    whole: bool

    @property
    def per_photo(self) -> float:
        """Seconds of each photo, view or row it dealt with."""
        return max(self.seconds - self.start_up, 0.0) / max(self.work.handled, 1.0)


def estimate(
    seen: Observed, plain: Work, networks: Mapping[str, NetworkSeconds], num_cores: int, wait: float
) -> Estimate:
    """Hours of a plain run's step.

    Args:
        seen: in the rehearsal.
        plain: what it does in a plain run.
        networks: plain networks by role, timed here.
        num_cores: of this machine.
        wait: seconds a view costs one core in scoring, beside a GPU in so many threads as a scorer has; 0 for others.
    """
    if plain.role:
        network = networks[plain.role]
        here = plain.trained * network.train_seconds + plain.scored * network.score_seconds
        others: list[float] = []
        for machine in OTHERS:
            trained, scored = machine.gpu_seconds(network.network, networks)
            others.append(plain.trained * trained + plain.scored * max(scored, wait / min(DECODERS, machine.num_cores)))
        how = f"{network.network} at {network.image_size} px: its seconds a photo"
        if seen.whole:
            how, here = "measured", seen.seconds - seen.start_up
        return Estimate(how, *_hours(here, others, seen.start_up))
    seconds = seen.seconds if seen.whole else seen.per_photo * plain.handled + seen.start_up
    how = "measured" if seen.whole else "by its seconds a photo"
    shares = [num_cores / machine.num_cores if seen.phase in PARALLEL else 1.0 for machine in OTHERS]
    return Estimate(how, *_hours(seconds, [seconds * share for share in shares], 0.0))


def _hours(here: float, others: list[float], start_up: float) -> tuple[float, tuple[float, ...]]:
    return (here + start_up) / 3600, tuple((seconds + start_up) / 3600 for seconds in others)
