from __future__ import annotations

import pytest

from aplantida.export.size import bundled_model

# benchmarks/bundle_size.py's students and three more, exported for real: rank None is a dense head
MEASURED = [
    ("mobilenetv2", 1.0, 9000, 96, 224, "float16", 6_766_347),
    ("mobilenetv2", 1.0, 9000, None, 224, "float16", 27_837_067),  # mirrored
    ("mobilenetv2", 0.35, 9000, 3, 96, "float16", 1_172_475),  # mirrored
    ("mobilenetv2", 0.35, 9000, 3, 128, "uint8", 855_414),
    ("mobilenetv2", 0.5, 12, None, 96, "float16", 1_690_073),
    ("mobilenetv3_large_100", 1.0, 9000, 96, 224, "float16", 12_180_653),  # hard sigmoids
    ("mobilenetv4_conv_small", 1.0, 9000, 96, 224, "float16", 7_186_333),
    ("efficientnet_lite0", 1.0, 3000, 40, 224, "float16", 7_317_332),
    ("repvit_m0_9", 1.0, 9000, 20, 224, "float16", 10_568_844),  # branches that the converter merges
    ("resnet10t", 1.0, 1000, 4, 128, "float16", 9_934_577),
]


@pytest.mark.parametrize(("name", "width", "classes", "rank", "side", "precision", "measured"), MEASURED)
def test_predicted_bytes_are_a_little_more_than_the_exported_ones(
    name: str, width: float, classes: int, rank: int | None, side: int, precision: str, measured: int
) -> None:
    size = bundled_model(
        name,
        classes,
        width=width,
        image_size=side,
        precision=precision,  # pyright: ignore[reportArgumentType]
        min_elements=10_000,
    )
    assert measured <= size.num_bytes(rank) <= measured + 30_000 + 0.01 * measured


def test_the_largest_rank_is_the_largest() -> None:
    size = bundled_model("mobilenetv2", 9000, width=1.0, image_size=224, precision="float16", min_elements=10_000)
    rank = size.largest_rank(7_000_000)
    assert rank is not None
    assert size.num_bytes(rank) <= 7_000_000 < size.num_bytes(rank + 1)
    assert size.largest_rank(30_000_000) is None
    with pytest.raises(ValueError, match="rank 1 it has 4"):
        size.largest_rank(4_000_000)
