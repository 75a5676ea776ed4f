"""ray job submit --working-dir . -- python -m jobs.export_dataset --config configs/export_dataset.yaml"""

from aplantida.phases.export_dataset import PHASE
from aplantida.pipeline.cli import main

if __name__ == "__main__":
    raise SystemExit(main(PHASE))
