"""Run by the Python of yasa's environment: hypnograms in on stdin, yasa's statistics out on stdout, both JSON.

In: ``hypnograms``, each a number of stages and a list of yasa's labels; ``simulations``, each minutes in bed and seed.
Out: a list of labels and statistics for each, in the same order. NaN becomes null.
"""

import json
import math
import sys
from typing import Any

import yasa  # type: ignore[import-not-found]


def measured(hypnogram: Any) -> dict[str, Any]:
    """The labels of a ``yasa.Hypnogram`` and its statistics: minutes and percent, rounded to four decimals by yasa."""
    statistics = {name: float(value) for name, value in hypnogram.sleep_statistics().items()}
    return {
        "labels": hypnogram.hypno.tolist(),
        "statistics": {name: None if math.isnan(value) else value for name, value in statistics.items()},
    }


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    given = [measured(yasa.Hypnogram(labels, n_stages=n_stages)) for n_stages, labels in request["hypnograms"]]
    simulated = [measured(yasa.simulate_hypnogram(tib=tib, seed=seed)) for tib, seed in request["simulations"]]
    json.dump(given + simulated, sys.stdout)


if __name__ == "__main__":
    main()
