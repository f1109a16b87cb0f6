"""The commit of a checkout: what git itself says, in every way that it keeps references."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hippograph.evaluation.checkout import commit_of

GIT = shutil.which("git")


def git(folder: Path, *arguments: str) -> str:
    assert GIT is not None
    told = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        [GIT, *told, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    if GIT is None:
        pytest.skip("git is not installed")
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "feature/walk")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


def test_it_is_what_git_says(checkout: Path) -> None:
    first = git(checkout, "rev-parse", "HEAD")
    assert commit_of(checkout) == first
    git(checkout, "commit", "-q", "--allow-empty", "-m", "second")
    assert commit_of(checkout) == git(checkout, "rev-parse", "HEAD") != first
    git(checkout, "pack-refs", "--all")
    assert commit_of(checkout) == git(checkout, "rev-parse", "HEAD")
    git(checkout, "checkout", "-q", "--detach", first)
    assert commit_of(checkout) == first


def test_worktrees_have_commits_of_their_own(checkout: Path) -> None:
    worktree = checkout.parent / "other"
    git(checkout, "worktree", "add", "-q", "-b", "other", str(worktree))
    git(worktree, "commit", "-q", "--allow-empty", "-m", "there")
    assert commit_of(worktree) == git(worktree, "rev-parse", "HEAD") != commit_of(checkout)


def test_no_checkout_no_commit(tmp_path: Path) -> None:
    assert commit_of(tmp_path) is None
    assert commit_of(tmp_path / "nowhere") is None
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    assert commit_of(tmp_path) is None
    (tmp_path / ".git" / "packed-refs").write_text(f"# pack-refs with: peeled\n{'a' * 40} refs/heads/main-2\n")
    assert commit_of(tmp_path) is None
    (tmp_path / ".git" / "packed-refs").write_text(f"{'a' * 40} refs/heads/main-2\n{'b' * 64} refs/heads/main\n")
    assert commit_of(tmp_path) == "b" * 64


def test_a_folder_inside_is_no_root(checkout: Path) -> None:
    (checkout / "inside").mkdir()
    assert commit_of(checkout / "inside") is None
