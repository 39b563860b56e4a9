"""What `penult --help` costs in English and in Chinese: processor time of whole processes, by turns.

    python benchmarks/help.py --rounds 15

Exits with 1 where the median of a language is above the bound.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys

BOUND = 0.15  # seconds


def cost(language: str) -> float:
    """Return the seconds of processor time of one `penult --help`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    env = {**os.environ, "PENULT_LANG": language}
    subprocess.run([sys.executable, "-m", "penult", "--help"], check=True, stdout=subprocess.DEVNULL, env=env)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {"en": [], "zh": []}
    for _ in range(rounds):
        for language, found in times.items():
            found.append(cost(language))
    medians = {language: statistics.median(found) for language, found in times.items()}
    for language, found in times.items():
        print(f"{language}: median {medians[language]:.3f} s, best {min(found):.3f} s (bound {BOUND} s)")
    print(f"zh / en: {medians['zh'] / medians['en']:.2f}")
    return 1 if max(medians.values()) > BOUND else 0


if __name__ == "__main__":
    sys.exit(main())
