"""ray job submit --working-dir . -- python -m jobs.train_teacher --config configs/train_teacher.yaml"""

from aplantida.phases.train_teacher import PHASE
from aplantida.pipeline.cli import main

if __name__ == "__main__":
    raise SystemExit(main(PHASE))
