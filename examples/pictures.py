"""The notebook's charts as SVG files, for the README: ``python -m examples.pictures [HOME [FOLDER]]``.

By default those of ``data-demo`` into ``docs``. It runs the notebook as it opens; needs no browser and no network.
"""

import sys
from pathlib import Path

from examples.sleep import app

NAMES = ("hypnogram", "regularity", "trend", "stages", "cohort")
OF_TWO_SOURCES = ("agreement", "two_hypnograms")
"""Charts that there are only where somebody slept with phone and bed."""


def draw(home: Path, folder: Path) -> list[Path]:
    """Write a picture of every chart of the notebook over a home; the files."""
    _, definitions = app.run(defs={"home": home})
    drawn = [name for name in (*NAMES, *OF_TWO_SOURCES) if definitions[name] is not None]
    files = [folder / f"sleep-{name.replace('_', '-')}.svg" for name in drawn]
    for name, file in zip(drawn, files, strict=True):
        definitions[name].save(file)
    return files


if __name__ == "__main__":
    home, folder = (sys.argv[1:] + ["data-demo", "docs"][len(sys.argv) - 1 :])[:2]
    for file in draw(Path(home), Path(folder)):
        print(file)
