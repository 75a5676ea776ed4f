"""ray job submit --working-dir . -- python -m jobs.audit_dataset --config configs/audit_dataset.yaml"""

from aplantida.phases.audit_dataset import PHASE
from aplantida.pipeline.cli import main

if __name__ == "__main__":
    raise SystemExit(main(PHASE))
