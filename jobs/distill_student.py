"""ray job submit --working-dir . -- python -m jobs.distill_student --config configs/distill_student.yaml"""

from aplantida.phases.distill_student import PHASE
from aplantida.pipeline.cli import main

if __name__ == "__main__":
    raise SystemExit(main(PHASE))
