"""ray job submit --working-dir . -- python -m jobs.combine_teacher_logits --config configs/combine_teacher_logits.yaml"""  # noqa: E501

from aplantida.phases.combine_teacher_logits import PHASE
from aplantida.pipeline.cli import main

if __name__ == "__main__":
    raise SystemExit(main(PHASE))
