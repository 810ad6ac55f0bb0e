"""Revisions become worktrees and are gone afterwards; the repository itself stays as it was."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bench.gate.time import checkout
from bench.gate.time.checkout import Checkout, CheckoutError, checked_out


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(folder: Path, message: str, **files: str) -> str:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_py", ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", message)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture(autouse=True)
def _git_of_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have hooks, signatures and default branches of their own."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "no-such-file"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(tmp_path / "no-such-file"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "nobody")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "nobody@example.org")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits: `model.py` says 1 and then 2, and `later/` comes with the second."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "first", model_py="1\n", inside__place_py="1\n")
    git(folder, "tag", "release-one")
    commit(folder, "second", model_py="2\n", later__place_py="2\n")
    return folder


def state(folder: Path) -> tuple[str, ...]:
    """All of a repository that a gate has no business with."""
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts
    )
    return (
        git(folder, "rev-parse", "HEAD"),
        git(folder, "symbolic-ref", "HEAD"),
        git(folder, "--no-optional-locks", "status", "--porcelain"),
        git(folder, "worktree", "list", "--porcelain"),
        git(folder, "for-each-ref"),
        str((folder / ".git" / "index").read_bytes()),
        *(f"{path.relative_to(folder)}: {path.read_text()}" for path in files),
    )


def refusal(spec: str, here: Path) -> str:
    with pytest.raises(CheckoutError) as refused, checked_out("base", spec, here):
        pass
    return str(refused.value)


def test_a_revision_becomes_a_worktree_and_is_gone_afterwards(repository: Path) -> None:
    before = state(repository)
    with checked_out("base", "HEAD~1", repository) as side:
        assert side.folder == side.root != repository
        assert (side.root / "model.py").read_text() == "1\n"
        assert (side.commit, side.dirty) == (git(repository, "rev-parse", "HEAD~1"), False)
        assert not (side.root / "later").exists()
    assert not side.root.parent.exists()
    assert state(repository) == before


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_a_worktree_is_gone_when_the_body_raises(
    repository: Path, error: type[BaseException]
) -> None:
    before = state(repository)
    with pytest.raises(error), checked_out("base", "HEAD~1", repository) as side:
        raise error
    assert not side.root.parent.exists()
    assert state(repository) == before


def test_a_worktree_that_the_body_has_filled_or_removed_is_gone_too(repository: Path) -> None:
    with checked_out("base", "HEAD~1", repository) as side:
        (side.root / "model.py").write_text("changed\n")
        (side.root / "__pycache__").mkdir()
    with checked_out("base", "HEAD~1", repository) as side:
        shutil.rmtree(side.root)
    assert git(repository, "worktree", "list").count("\n") == 0


def test_two_sides_may_be_the_same_revision(repository: Path) -> None:
    with (
        checked_out("base", "HEAD", repository) as base,
        checked_out("head", "HEAD", repository) as head,
    ):
        assert base.commit == head.commit
        assert base.root != head.root
    assert git(repository, "worktree", "list").count("\n") == 0


def test_changes_that_are_not_committed_stay_and_are_not_in_the_worktree(repository: Path) -> None:
    (repository / "model.py").write_text("3\n")
    git(repository, "add", "model.py")
    (repository / "model.py").write_text("4\n")
    before = state(repository)
    with checked_out("base", "HEAD", repository) as side:
        assert (side.root / "model.py").read_text() == "2\n"
    assert state(repository) == before


def test_a_folder_stays_where_it_is_and_says_that_it_has_changes(repository: Path) -> None:
    with checked_out("head", ".", repository) as clean:
        assert clean == Checkout(
            "head", repository, repository, ".", git(repository, "rev-parse", "HEAD"), dirty=False
        )
    (repository / "model.py").write_text("3\n")
    before = state(repository)
    with checked_out("head", ".", repository) as side:
        assert side.dirty
        assert str(side) == f"head (., {side.commit[:8]} with changes)"  # type: ignore[index]
    assert state(repository) == before


def test_a_folder_needs_no_repository(tmp_path: Path) -> None:
    with checked_out("head", str(tmp_path), Path("/")) as side:
        assert (side.folder, side.commit, side.dirty) == (tmp_path.resolve(), None, False)
        assert str(side) == f"head ({tmp_path})"


def test_a_folder_is_seen_from_where_the_gate_is_called(repository: Path, tmp_path: Path) -> None:
    with checked_out("head", "../repository/inside", repository) as side:
        assert (side.root, side.folder) == (repository, repository / "inside")
    (tmp_path / "aside").mkdir()
    with checked_out("head", "aside", tmp_path) as side:
        assert side.folder == tmp_path / "aside"


def test_a_side_works_in_the_same_sub_folder_as_the_caller(repository: Path) -> None:
    with checked_out("base", "HEAD~1", repository / "inside") as side:
        assert side.folder == side.root / "inside"
        assert (side.folder / "place.py").read_text() == "1\n"


def test_a_sub_folder_that_the_base_lacks_is_said_and_leaves_nothing(repository: Path) -> None:
    said = refusal("HEAD~1", repository / "later")
    assert said.startswith("the base HEAD~1 has no folder later; call the gate from a folder")
    assert git(repository, "worktree", "list").count("\n") == 0


def test_a_revision_that_does_not_exist_suggests_near_names(repository: Path) -> None:
    said = refusal("release-on", repository)
    assert said == (
        "there is no revision or folder release-on to take as base; did you mean release-one?"
    )
    assert "git fetch" in refusal("zzzz", repository)


@pytest.mark.parametrize("spec", ["", " "])
def test_an_empty_revision_is_not_the_folder_of_the_caller(repository: Path, spec: str) -> None:
    assert refusal(spec, repository) == "the base is empty; give a revision or a folder"


def test_a_revision_that_looks_like_an_option_is_none(repository: Path) -> None:
    assert "no revision or folder --all" in refusal("--all", repository)


def test_a_branch_whose_name_is_also_a_folder_is_the_branch(repository: Path) -> None:
    git(repository, "branch", "inside", "HEAD~1")
    with checked_out("base", "inside", repository) as side:
        assert (side.root / "model.py").read_text() == "1\n"
    with checked_out("base", "./inside", repository) as side:
        assert side.folder == repository / "inside"


def test_without_git_a_revision_is_refused_and_a_folder_is_not(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(repository))
    assert "git is not installed" in refusal("HEAD", repository)
    with checked_out("head", ".", repository) as side:
        assert side.commit is None


def test_outside_of_a_repository_a_revision_is_refused(tmp_path: Path) -> None:
    said = refusal("main", tmp_path)
    assert said.startswith(f"{tmp_path} is in no checkout of a git repository")
    assert said.endswith("call the gate from inside one, or give a folder")


def test_a_bare_repository_is_no_place_to_call_the_gate_from(
    repository: Path, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(repository), "bare.git")
    assert "is in no checkout of a git repository" in refusal("main", tmp_path / "bare.git")


def test_a_repository_of_another_user_names_the_remedy(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own, for its tests
    said = refusal("HEAD", repository)
    assert said.endswith(f"(git config --global --add safe.directory {repository})")


def test_a_shallow_clone_says_so_and_how_to_deepen_it(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository}", "shallow")
    said = refusal("HEAD~1", tmp_path / "shallow")
    assert "this clone is shallow" in said
    assert "git fetch --unshallow" in said
    assert "fetch-depth: 0" in said
    with checked_out("base", "HEAD", tmp_path / "shallow") as side:
        assert (side.root / "model.py").read_text() == "2\n"


def test_called_from_a_hook_of_git_the_index_stays_as_it_is(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / "model.py").write_text("3\n")
    git(repository, "add", "model.py")
    before = state(repository)
    with monkeypatch.context() as hook:
        hook.setenv("GIT_DIR", str(repository / ".git"))
        hook.setenv("GIT_INDEX_FILE", str(repository / ".git" / "index"))
        with checked_out("base", "HEAD~1", repository) as side:
            assert (side.root / "model.py").read_text() == "1\n"
    assert state(repository) == before


def test_hooks_of_the_repository_do_not_run(repository: Path) -> None:
    hook = repository / ".git" / "hooks" / "post-checkout"
    hook.write_text("#!/bin/sh\ntouch ran\nexit 1\n")
    hook.chmod(0o755)
    with checked_out("base", "HEAD~1", repository) as side:
        assert not (side.root / "ran").exists()


def test_a_worktree_of_the_users_own_whose_disk_is_away_is_not_forgotten(
    repository: Path, tmp_path: Path
) -> None:
    git(repository, "worktree", "add", "-q", "--detach", str(tmp_path / "own"))
    (tmp_path / "own").rename(tmp_path / "away")
    with checked_out("base", "HEAD~1", repository):
        pass
    assert str(tmp_path / "own") in git(repository, "worktree", "list")


def test_a_worktree_that_git_cannot_fill_is_told_and_leaves_nothing(repository: Path) -> None:
    blob = git(repository, "rev-parse", "HEAD~1:model.py")
    (repository / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    assert refusal("HEAD~1", repository).startswith("the base HEAD~1 cannot be checked out: ")
    assert git(repository, "worktree", "list").count("\n") == 0


def test_a_checkout_that_takes_too_long_is_told_and_leaves_nothing(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = checkout._git

    def stuck(folder: Path, *arguments: str) -> str:
        done = really(folder, *arguments)
        if "add" in arguments:
            raise subprocess.TimeoutExpired("git", checkout.PATIENCE)
        return done

    monkeypatch.setattr(checkout, "_git", stuck)
    assert "git worktree add" in refusal("HEAD~1", repository)
    assert git(repository, "worktree", "list").count("\n") == 0
