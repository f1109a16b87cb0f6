"""The command line in this process: as its entry point runs it, without the second that a new interpreter takes."""

import io
import os
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from hippograph.cli.app import main


@dataclass(frozen=True)
class Done:
    """What a command printed, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


def run(*arguments: object, cwd: Path, code: int = 0) -> Done:
    """Run `hippograph` with some arguments in a folder."""
    out, err = io.StringIO(), io.StringIO()
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}
    with (
        chdir(cwd),
        mock.patch.dict(os.environ, environment),
        mock.patch.object(sys, "argv", ["hippograph", *map(str, arguments)]),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
    done = Done(status, out.getvalue(), err.getvalue())
    assert status == code, done
    return done
