"""ray job submit --working-dir . -- python -m jobs.quantize_model --config configs/quantize_model.yaml"""

from aplantida.phases.quantize_model import PHASE
from aplantida.pipeline.cli import main

if __name__ == "__main__":
    raise SystemExit(main(PHASE))
