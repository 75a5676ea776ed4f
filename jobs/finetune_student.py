"""ray job submit --working-dir . -- python -m jobs.finetune_student --config configs/finetune_student.yaml"""

from aplantida.phases.finetune_student import PHASE
from aplantida.pipeline.cli import main

if __name__ == "__main__":
    raise SystemExit(main(PHASE))
