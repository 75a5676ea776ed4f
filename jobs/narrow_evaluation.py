"""ray job submit --working-dir . -- python -m jobs.narrow_evaluation --config configs/narrow_evaluation.yaml"""

from aplantida.phases.narrow_evaluation import PHASE
from aplantida.pipeline.cli import main

if __name__ == "__main__":
    raise SystemExit(main(PHASE))
