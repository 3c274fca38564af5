"""The notebook's charts as SVG files, for the README: ``python -m examples.pictures [HOME [FOLDER]]``.

By default those of ``data-demo`` into ``docs``. It runs the notebook as it opens; needs no browser and no network.
"""

import sys
from pathlib import Path

from examples.sleep import app

NAMES = ("hypnogram", "regularity", "trend", "stages", "cohort")


def draw(home: Path, folder: Path) -> list[Path]:
    """Write a picture of every chart of the notebook over a home; the files."""
    _, definitions = app.run(defs={"home": home})
    files = [folder / f"sleep-{name}.svg" for name in NAMES]
    for name, file in zip(NAMES, files, strict=True):
        definitions[name].save(file)
    return files


if __name__ == "__main__":
    home, folder = (sys.argv[1:] + ["data-demo", "docs"][len(sys.argv) - 1 :])[:2]
    for file in draw(Path(home), Path(folder)):
        print(file)
