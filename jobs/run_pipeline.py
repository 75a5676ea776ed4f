"""ray job submit --working-dir . -- python -m jobs.run_pipeline --config configs/run_pipeline.yaml"""

from aplantida.phases.run_pipeline import PHASE
from aplantida.pipeline.cli import main

if __name__ == "__main__":
    raise SystemExit(main(PHASE))
