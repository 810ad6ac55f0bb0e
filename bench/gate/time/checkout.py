"""Base and head as folders: a git revision becomes a worktree, a folder stays where it is."""

from __future__ import annotations

import contextlib
import difflib
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 120
"""Seconds that git may take for one command; a checkout of a large repository takes its time."""


class CheckoutError(Exception):
    """A side cannot be checked out; the message says which, why, and what to do."""


@dataclass(frozen=True)
class Checkout:
    """One side of a comparison, as it lies on the disk.

    Attributes:
        label: `base` or `head`.
        root: the top folder of the checkout.
        folder: where the side works: the same folder below `root` as the caller's below its own.
        spec: what was typed.
        commit: the full hash, where there is a repository.
        dirty: whether tracked files differ from that commit.
    """

    label: str
    root: Path
    folder: Path
    spec: str
    commit: str | None
    dirty: bool

    def __str__(self) -> str:
        """How a sentence names it: `base (origin/main, 1a2b3c4d)`."""
        parts = [self.spec]
        if self.commit is not None:
            parts.append(self.commit[:8] + (" with changes" if self.dirty else ""))
        return f"{self.label} ({', '.join(parts)})"


@contextlib.contextmanager
def checked_out(label: str, spec: str, here: Path) -> Iterator[Checkout]:
    """The side that `spec` names: a revision of the repository around `here`, or a folder.

    A revision is checked out into a worktree of its own for as long as the context lasts; the
    repository's files, index and branches stay as they are. What is a revision and a folder too
    counts as a revision (write `./name` for the folder).

    Raises:
        CheckoutError: there is no such revision or folder, no git, or git refuses.
    """
    if not spec.strip():
        raise CheckoutError(f"the {label} is empty; give a revision or a folder")
    is_folder = _is_folder(spec, here)
    if is_folder and spec.startswith((".", "/", "~")):
        yield _folder(label, spec, here)
        return
    commit = _commit(spec, here)
    if commit is None and is_folder:
        yield _folder(label, spec, here)
        return
    top = _top(here)
    if commit is None or top is None:
        raise CheckoutError(_no_such(label, spec, here))
    with tempfile.TemporaryDirectory(prefix=f"freezebench-{label}-") as scratch:
        tree = Path(scratch).resolve() / label
        try:
            _add_worktree(top, tree, commit, f"the {label} {spec}")
            folder = tree / here.resolve().relative_to(top)
            if not folder.is_dir():
                raise CheckoutError(
                    f"the {label} {spec} has no folder {here.resolve().relative_to(top)}; call "
                    "the gate from a folder that both sides have"
                )
            yield Checkout(label, tree, folder, spec, commit, dirty=False)
        finally:
            # Of this worktree alone: `prune` would also forget those of the user's whose disk
            # isn't there at the moment.
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                _git(top, "worktree", "remove", "--force", "--force", str(tree))


def _is_folder(spec: str, here: Path) -> bool:
    try:
        return (here / Path(spec).expanduser()).is_dir()
    except (OSError, RuntimeError):  # too long for a name; the home of a user who isn't there
        return False


def _add_worktree(top: Path, tree: Path, commit: str, called: str) -> None:
    # Without the repository's hooks: what they do after a checkout is meant for a developer's own.
    hooks_nowhere = ("-c", f"core.hooksPath={os.devnull}")
    try:
        _git(top, *hooks_nowhere, "worktree", "add", "--detach", "--force", str(tree), commit)
    except subprocess.CalledProcessError as error:
        raise CheckoutError(
            f"{called} cannot be checked out: {_last_line(error.stderr)}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise CheckoutError(
            f"{called} is not checked out after {PATIENCE} s; check it out yourself "
            "(git worktree add) and give the folder"
        ) from error


def _folder(label: str, spec: str, here: Path) -> Checkout:
    folder = (here / Path(spec).expanduser()).resolve()
    top = _top(folder)
    commit = None if top is None else _commit("HEAD", folder)
    changes = "" if commit is None else _asked(folder, "status", "--porcelain", "-uno") or ""
    return Checkout(label, top or folder, folder, spec, commit, dirty=bool(changes))


def _no_such(label: str, spec: str, here: Path) -> str:
    try:
        _git(here, "--version")
    except FileNotFoundError:
        return f"git is not installed, so the {label} {spec} cannot be checked out; install git"
    except (OSError, subprocess.SubprocessError):
        pass
    if _top(here) is None:
        if "dubious ownership" in _complaint(here):
            return (
                f"{here} belongs to another user, so git doesn't read it; tell git that you trust "
                f"it (git config --global --add safe.directory {here})"
            )
        return (
            f"{here} is in no checkout of a git repository, so there is no revision {spec} to take "
            f"as {label}; call the gate from inside one, or give a folder"
        )
    said = f"there is no revision or folder {spec} to take as {label}"
    if _asked(here, "rev-parse", "--is-shallow-repository") == "true":
        return (
            f"{said}, and this clone is shallow; fetch more of it first (git fetch --unshallow; "
            "fetch-depth: 0 for actions/checkout; GIT_DEPTH: 0 for GitLab)"
        )
    names = (_asked(here, "for-each-ref", "--format=%(refname:short)") or "").splitlines()
    near = difflib.get_close_matches(spec, names, n=3)
    known = f"did you mean {', '.join(near)}?" if near else "see git branch -a; git fetch"
    return f"{said}; {known}"


def _top(folder: Path) -> Path | None:
    found = _asked(folder, "rev-parse", "--show-toplevel")
    return None if not found else Path(found).resolve()


def _commit(spec: str, folder: Path) -> str | None:
    return _asked(
        folder, "rev-parse", "--verify", "--quiet", "--end-of-options", spec + "^{commit}"
    )


def _asked(folder: Path, *arguments: str) -> str | None:
    """What git says, or nothing where it fails."""
    try:
        return _git(folder, *arguments) or None
    except (OSError, subprocess.SubprocessError):
        return None


def _complaint(folder: Path) -> str:
    """What git says against a folder."""
    try:
        _git(folder, "rev-parse")
    except subprocess.CalledProcessError as error:
        return str(error.stderr)
    except (OSError, subprocess.SubprocessError):
        pass
    return ""


def _git(folder: Path, *arguments: str) -> str:
    found = subprocess.run(
        ["git", "--no-optional-locks", "-C", str(folder), *arguments],
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    return found.stdout.strip()


TIED_TO_A_REPOSITORY = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
)


def _environment() -> dict[str, str]:
    """Without what a hook of git's is told: a worktree would be written into the user's index."""
    kept = {name: value for name, value in os.environ.items() if name not in TIED_TO_A_REPOSITORY}
    return {**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1].removeprefix("fatal: ") if lines else "git gave no reason"
