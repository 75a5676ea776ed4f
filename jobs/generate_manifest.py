"""ray job submit --working-dir . -- python -m jobs.generate_manifest --config configs/generate_manifest.yaml"""

from aplantida.phases.generate_manifest import PHASE
from aplantida.pipeline.cli import main

if __name__ == "__main__":
    raise SystemExit(main(PHASE))
