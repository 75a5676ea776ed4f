"""ray job submit --working-dir . -- python -m jobs.validate_tfjs --config configs/validate_tfjs.yaml"""

from aplantida.phases.validate_tfjs import PHASE
from aplantida.pipeline.cli import main

if __name__ == "__main__":
    raise SystemExit(main(PHASE))
