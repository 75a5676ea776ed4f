"""ray job submit --working-dir . -- python -m jobs.release_gate --config configs/release_gate.yaml"""

from aplantida.phases.release_gate import PHASE
from aplantida.pipeline.cli import main

if __name__ == "__main__":
    raise SystemExit(main(PHASE))
