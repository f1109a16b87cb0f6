"""Extraction through a server that fails half of the time, killed midway and resumed; `benchmarks/` does more of it."""

from pathlib import Path

from tests.servers.extraction_trial import Client, Trial, planned


def test_nothing_is_lost_nor_paid_for_twice(tmp_path: Path) -> None:
    client = Client(passages=80, concurrency=16, attempts=3, timeout=0.3, longest_wait=0.02)
    with planned(0.5, latency=0.05) as server:
        trial = Trial(client, server, tmp_path)
        trial.run(kill_after=20)
        trial.finish()
        trial.check()
        assert trial.killed == [0]
        assert server.ledger()["most_at_work"] <= 16
