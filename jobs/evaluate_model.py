"""ray job submit --working-dir . -- python -m jobs.evaluate_model --config configs/evaluate_model.yaml"""

from aplantida.phases.evaluate_model import PHASE
from aplantida.pipeline.cli import main

if __name__ == "__main__":
    raise SystemExit(main(PHASE))
