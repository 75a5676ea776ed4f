"""ray job submit --working-dir . -- python -m jobs.build_dashboard --config configs/build_dashboard.yaml"""

from aplantida.phases.build_dashboard import PHASE
from aplantida.pipeline.cli import main

if __name__ == "__main__":
    raise SystemExit(main(PHASE))
