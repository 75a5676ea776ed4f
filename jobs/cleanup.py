"""ray job submit --working-dir . -- python -m jobs.cleanup --config configs/cleanup.yaml"""

from aplantida.phases.cleanup import PHASE
from aplantida.pipeline.cli import main

if __name__ == "__main__":
    raise SystemExit(main(PHASE))
