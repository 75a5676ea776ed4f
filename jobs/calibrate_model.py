"""ray job submit --working-dir . -- python -m jobs.calibrate_model --config configs/calibrate_model.yaml"""

from aplantida.phases.calibrate_model import PHASE
from aplantida.pipeline.cli import main

if __name__ == "__main__":
    raise SystemExit(main(PHASE))
