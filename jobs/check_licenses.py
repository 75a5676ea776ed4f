"""ray job submit --working-dir . -- python -m jobs.check_licenses --config configs/check_licenses.yaml"""

from aplantida.phases.check_licenses import PHASE
from aplantida.pipeline.cli import main

if __name__ == "__main__":
    raise SystemExit(main(PHASE))
