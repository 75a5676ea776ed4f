"""ray job submit --working-dir . -- python -m jobs.release_student --config configs/release_student.yaml"""

from aplantida.phases.release_student import PHASE
from aplantida.pipeline.cli import main

if __name__ == "__main__":
    raise SystemExit(main(PHASE))
