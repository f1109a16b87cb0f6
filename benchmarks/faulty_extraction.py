"""Extract through a server that fails: nothing lost, nothing paid for twice, tokens to the last.

::

    python benchmarks/faulty_extraction.py                  2,000 passages, 30 % of the requests fail, 32 at a time
    python benchmarks/faulty_extraction.py --kills 5        the same, and the client is killed (SIGKILL) five times

The server (`tests/servers`) writes down each request and what it has delivered; the index, what became of each passage
and what that cost. They are compared (`tests/servers/extraction_trial.py`). Runs follow one another until nothing is
left to retry. A violation ends the program with its description.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.servers.extraction_trial import Client, Trial, planned


def main() -> int:
    """Run the trial and print what it shows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=2000)
    parser.add_argument("--faults", type=float, default=0.3, help="share of requests that fail, in all ways alike")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--attempts", type=int, default=2, help="few, so that something fails")
    parser.add_argument("--timeout", type=float, default=1.0, help="seconds until a hanging request is given up")
    parser.add_argument("--longest-wait", type=float, default=0.1, help="seconds between two attempts")
    parser.add_argument("--latency", type=float, default=0.02, help="seconds that the server takes")
    parser.add_argument("--calls", type=int, default=1, choices=(1, 2), help="calls for a passage")
    parser.add_argument("--kills", type=int, default=0, help="how often the client is killed")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    client = Client(
        passages=given.passages,
        concurrency=given.concurrency,
        attempts=given.attempts,
        timeout=given.timeout,
        longest_wait=given.longest_wait,
        calls=given.calls,
    )
    drawn = random.Random(given.seed)
    with (
        tempfile.TemporaryDirectory() as folder,
        planned(given.faults, seed=given.seed, latency=given.latency) as server,
    ):
        trial = Trial(client, server, Path(folder))
        while len(trial.killed) < given.kills:
            print(trial.run(kill_after=drawn.randrange(given.passages // (given.kills + 1))), flush=True)
        for line in (*trial.finish(), *trial.check()):
            print(line)
    print("no violation")
    return 0


if __name__ == "__main__":
    sys.exit(main())
