"""Run by the Python of yasa's environment: two hypnograms a night in, scikit-learn's and scipy's figures out, in JSON.

In: nights, each with ``user``, ``phone`` and ``bed`` (``start`` in seconds; ``stages`` as lake codes, an epoch of 30 s
each) and ``differences`` by figure. Out: ``nights`` and ``users`` (the last one is everybody), each with kappas, and
for users bias, sd and limits by figure. What is not defined is null.
"""

import json
import math
import sys
import warnings
from typing import Any

import numpy as np
from scipy import stats  # type: ignore[import-untyped]
from sklearn.metrics import accuracy_score, cohen_kappa_score  # type: ignore[import-not-found]

UNKNOWN, WAKE, ASLEEP, OUT_OF_BED = -1, 0, 4, 5


def at_middles(night: dict[str, Any]) -> Any:
    """The pairs of stages at the middles of the phone's epochs that the bed recorded too."""
    phone = np.array(night["phone"]["stages"])
    middles = night["phone"]["start"] + 30.0 * np.arange(len(phone)) + 15.0
    place = np.floor((middles - night["bed"]["start"]) / 30.0).astype(int)
    bed = np.array(night["bed"]["stages"])
    both = (place >= 0) & (place < len(bed))
    pairs = np.column_stack([phone[both], bed[place[both]]])
    pairs[pairs == OUT_OF_BED] = WAKE
    return pairs


def agreed(pairs: Any) -> dict[str, Any]:
    """Kappa, share and number of epochs, of sleep and wake and of stages."""
    awake = pairs[(pairs != UNKNOWN).all(axis=1)]
    staged = awake[(awake != ASLEEP).all(axis=1)]
    return {"sleep_wake": scored(awake != WAKE), "stages": scored(staged)}


def scored(pairs: Any) -> dict[str, Any]:
    """As scikit-learn has it."""
    if not len(pairs):
        return {"epochs": 0, "share": None, "kappa": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one category has no kappa, which it warns of
        kappa = float(cohen_kappa_score(pairs[:, 0], pairs[:, 1]))
    share = float(accuracy_score(pairs[:, 0], pairs[:, 1]))
    return {"epochs": len(pairs), "share": share, "kappa": None if math.isnan(kappa) else kappa}


def spread(differences: list[float]) -> dict[str, Any]:
    """Bias and limits as scipy has mean and deviation."""
    bias = float(stats.tmean(differences))
    if len(differences) < 2:
        return {"bias": bias, "sd": None, "lower": None, "upper": None}
    sd = float(stats.tstd(differences))
    return {"bias": bias, "sd": sd, "lower": bias - 1.96 * sd, "upper": bias + 1.96 * sd}


def of_nights(nights: list[dict[str, Any]]) -> dict[str, Any]:
    """All nights of a person, or of everybody, together."""
    figures = {name: spread([night["differences"][name] for night in nights]) for name in nights[0]["differences"]}
    return agreed(np.concatenate([at_middles(night) for night in nights])) | figures


def main() -> None:
    """Answer one request."""
    nights = json.load(sys.stdin)
    users = sorted({night["user"] for night in nights})
    of_users = {user: of_nights([night for night in nights if night["user"] == user]) for user in users}
    everybody = {"": of_nights(nights)}
    json.dump({"nights": [agreed(at_middles(night)) for night in nights], "users": of_users | everybody}, sys.stdout)


if __name__ == "__main__":
    main()
