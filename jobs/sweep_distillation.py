"""ray job submit --working-dir . -- python -m jobs.sweep_distillation --config configs/sweep_distillation.yaml"""

from aplantida.phases.sweep_distillation import PHASE
from aplantida.pipeline.cli import main

if __name__ == "__main__":
    raise SystemExit(main(PHASE))
