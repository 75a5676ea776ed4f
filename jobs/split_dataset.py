"""ray job submit --working-dir . -- python -m jobs.split_dataset --config configs/split_dataset.yaml"""

from aplantida.phases.split_dataset import PHASE
from aplantida.pipeline.cli import main

if __name__ == "__main__":
    raise SystemExit(main(PHASE))
