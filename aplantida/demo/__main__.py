"""`python -m aplantida.demo`: draw a collection, run every phase over it, print what came out."""

from __future__ import annotations

import argparse
import logging
import os
import time
from collections.abc import Sequence

from aplantida.demo.collection import CollectionRecipe, draw_collection
from aplantida.demo.digests import CONFIGS, told
from aplantida.demo.driver import Run, complain, run_over, say
from aplantida.demo.table import write_comparison, write_table
from aplantida.export.signing import KEY_VARIABLE, make_key
from aplantida.pipeline.cli import exit_code_of
from aplantida.pipeline.logs import LOGGER, configure_console
from aplantida.pipeline.progress import Progress


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; the exit code is the job's."""
    recipe = CollectionRecipe()
    parser = argparse.ArgumentParser(prog="python -m aplantida.demo", description=__doc__)
    parser.add_argument("--config", action="append", default=[], metavar="FILE", help="over its run_pipeline.yaml")
    parser.add_argument("--species", type=int, default=recipe.num_species, help="how many (default: %(default)s)")
    parser.add_argument("--photos", type=int, default=recipe.photos_per_species, help="of each (default: %(default)s)")
    parser.add_argument("--short-side", type=int, default=recipe.short_side, help="pixels (default: %(default)s)")
    parser.add_argument("--port", type=int, default=recipe.port, help="of the CDN (default: %(default)s)")
    given = parser.parse_args(arguments)
    configure_console("info")
    started = time.monotonic()

    def work() -> int:
        run = Run.load([*CONFIGS, *given.config])
        asked = CollectionRecipe(run.config.seed, given.species, given.photos, given.short_side, given.port)
        _draw(run, asked)
        code = run_over(run, run.folder / "collection", asked.port, {KEY_VARIABLE: _key(run)})
        if code == 0:
            finish(run, time.monotonic() - started)
            if asked == CollectionRecipe(run.config.seed) and not given.config:  # another demo has other digests
                for line in told(run):
                    say(line)
        return code

    return exit_code_of(work, complain)


def _key(run: Run) -> str:
    """What signs the demo's bundle: the key that is named, else one of the demo's own, good for nothing else."""
    return os.environ.get(KEY_VARIABLE) or str(make_key(run.folder / "signing"))


def _draw(run: Run, recipe: CollectionRecipe) -> None:
    total = recipe.num_species * recipe.photos_per_species + 20
    with Progress(logging.getLogger(f"{LOGGER}.demo"), total, "photos", "drawing plants") as progress:
        if draw_collection(run.folder / "collection", recipe, progress.update):
            say(f"drew {recipe.num_species} species in {run.folder / 'collection'}")


def finish(run: Run, seconds: float) -> None:
    """Print the table, what it means, and where the bundle lies."""
    say()
    for line in [*write_table(run), "", *write_comparison(run), ""]:
        say(line)
    say(f"all in {seconds:.0f} s")
    bundle = run.config.layout().output(next(node for node in run.nodes if node.name == "bundle"))
    say(f"the bundle: {bundle}/")
    say(f"to see it:  make serve BUNDLE={bundle}    (then open http://127.0.0.1:8000)")


if __name__ == "__main__":
    raise SystemExit(main())
