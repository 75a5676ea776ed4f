"""ray job submit --working-dir . -- python -m jobs.fetch_images --config configs/fetch_images.yaml"""

from aplantida.phases.fetch_images import PHASE
from aplantida.pipeline.cli import main

if __name__ == "__main__":
    raise SystemExit(main(PHASE))
