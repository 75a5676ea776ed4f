"""ray job submit --working-dir . -- python -m jobs.export_tfjs --config configs/export_tfjs.yaml"""

from aplantida.phases.export_tfjs import PHASE
from aplantida.pipeline.cli import main

if __name__ == "__main__":
    raise SystemExit(main(PHASE))
