"""Merge writes whole runs below its folder and nothing else, whatever an archive holds."""

from __future__ import annotations

import errno
import os
import stat
import struct
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from travel_stage import committed, encoded, keep, manifest_of, path_of, zipped

from bench import store
from bench.cli import main
from bench.collection import archive
from bench.collection.merge import merge
from bench.collection.pack import pack
from bench.report import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bench.records import Run

OTHER = "20261124-101112-0a1b"
RUN = committed("full", "no_grad")
PATH = path_of(RUN)
CONTENT = encoded(RUN)


@pytest.fixture(autouse=True)
def _quick_reports(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plots take a second a run, and one test looks at them."""
    if "whole_reports" not in request.fixturenames:
        monkeypatch.setattr("bench.report.files", quick_report)


def quick_report(run: Run) -> Iterable[tuple[str, bytes]]:
    return [("table.md", run.id.encode())]


@pytest.fixture
def whole_reports() -> None:
    """Asks for the real reports."""


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    file = tmp_path / "runs.zip"
    file.write_bytes(pack([keep(tmp_path / "from", RUN)]).content)
    return file


def typed(*files: Path, into: Path) -> Any:
    return CliRunner().invoke(main, ["merge", *map(str, files), "--into", str(into)])


def written(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_run_arrives_as_it_was_with_its_reports(
    tmp_path: Path, packed: Path, whole_reports: None
) -> None:
    done = typed(packed, into=tmp_path / "into")
    assert done.exit_code == 0, done.output
    folder = tmp_path / "into" / Path(PATH).parent
    assert (folder / "run.json").read_bytes() == CONTENT
    assert {"table.md", "table.csv", "ratio.png", "verdicts.svg"} <= set(os.listdir(folder))


def test_nothing_else_is_left_in_the_results(tmp_path: Path, packed: Path) -> None:
    typed(packed, into=tmp_path / "into")
    folder = Path(PATH).parent
    assert written(tmp_path / "into") == {
        str(folder.parent),
        str(folder),
        PATH,
        f"{folder}/table.md",
    }


def test_a_run_that_is_there_is_left_alone_and_told(tmp_path: Path, packed: Path) -> None:
    file = keep(tmp_path / "into", RUN)
    done = typed(packed, into=tmp_path / "into")
    assert done.exit_code == 0
    assert "was there already" in done.output
    assert os.listdir(file.parent) == ["run.json"]


def test_the_same_run_in_two_packs_arrives_once(tmp_path: Path, packed: Path) -> None:
    other = zipped(tmp_path / "other.zip", {PATH: CONTENT})
    assert merge([packed, other], tmp_path / "into", files).added == [str(Path(PATH).parent)]


def changed_run() -> Run:
    return store.parse(CONTENT.replace(b'"timed_seconds":', b'"timed_seconds":1'), "changed")


def test_another_content_under_the_same_id_is_refused(tmp_path: Path, packed: Path) -> None:
    keep(tmp_path / "into", changed_run())
    refused = typed(packed, into=tmp_path / "into")
    assert refused.exit_code == 2
    assert "is there with other content" in refused.output


def test_another_content_in_a_second_pack_is_refused(tmp_path: Path, packed: Path) -> None:
    other = zipped(tmp_path / "other.zip", {PATH: encoded(changed_run())})
    refused = typed(packed, other, into=tmp_path / "into")
    assert refused.exit_code == 2
    assert "in two packs with other content" in refused.output


def test_one_refused_run_keeps_all_out(tmp_path: Path, packed: Path) -> None:
    keep(tmp_path / "made", RUN, id=OTHER, synthetic=True)
    path = PATH.replace(RUN.id, OTHER)
    bad = zipped(tmp_path / "bad.zip", {path: (tmp_path / "made" / path).read_bytes()})
    refused = typed(packed, bad, into=tmp_path / "into")
    assert refused.exit_code == 2
    assert "made up" in refused.output
    assert not (tmp_path / "into").exists()


def test_a_run_at_the_place_of_another_machine_is_refused(tmp_path: Path) -> None:
    file = zipped(tmp_path / "bad.zip", {PATH.replace("intel", "amd"): CONTENT})
    refused = typed(file, into=tmp_path / "into")
    assert refused.exit_code == 2
    assert "it belongs at" in refused.output


def test_the_id_of_a_run_of_another_machine_is_taken(tmp_path: Path, packed: Path) -> None:
    (tmp_path / "into" / "another" / RUN.id).mkdir(parents=True)
    refused = typed(packed, into=tmp_path / "into")
    assert refused.exit_code == 2
    assert "a run of another machine" in refused.output


def test_a_report_that_cannot_be_made_keeps_all_out(
    tmp_path: Path, packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(run: Run) -> Iterable[tuple[str, bytes]]:
        raise OverflowError("too far to draw")

    monkeypatch.setattr("bench.report.files", fail)
    refused = typed(packed, into=tmp_path / "into")
    assert refused.exit_code == 2
    assert "too far to draw" in refused.output
    assert written(tmp_path / "into") == set()


HOSTILE_NAMES = {
    "absolute": "/etc/cron.d/x",
    "going up": "../../x",
    "going up on the way": f"a/../../{PATH}",
    "with backslashes": PATH.replace("/", "\\"),
    "with a drive": f"C:{PATH}",
    "with a null": f"{PATH}\x00.txt",
    "with a terminal's commands": f"\x1b[2J{PATH}",
    "turning the direction": PATH.replace("run", "r\u202eun"),
    "in other digits": PATH.replace("2026", "\uff12026"),
    "hidden": f".{PATH}",
    "a folder": f"{PATH}/",
    "deeper": f"x/{PATH}",
    "another file of the run": PATH.replace("run.json", "table.md"),
    "a pack in a pack": "inner.zip",
    "empty": "",
}


@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES)
def test_an_entry_with_another_name_than_a_run_has_is_refused(tmp_path: Path, name: str) -> None:
    file = zipped(tmp_path / "bad.zip", {PATH: CONTENT, name: CONTENT})
    refused = typed(file, into=tmp_path / "into")
    assert refused.exit_code == 2
    assert refused.output.startswith("freezebench: ")
    assert refused.output.strip().isprintable()
    assert not (tmp_path / "into").exists()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (stat.S_IFLNK, "link"),
        (stat.S_IFDIR, "folder"),
        (stat.S_IFCHR, "device"),
        (stat.S_IFIFO, "pipe"),
    ],
)
def test_an_entry_that_is_no_plain_file_is_refused(tmp_path: Path, kind: int, name: str) -> None:
    file = zipped(tmp_path / f"{name}.zip", {PATH: b"/etc/passwd"}, kinds={PATH: kind | 0o777})
    refused = typed(file, into=tmp_path / "into")
    assert refused.exit_code == 2
    assert "not a plain file" in refused.output


def bad_manifest(tmp_path: Path, manifest: bytes) -> str:
    refused = typed(zipped(tmp_path / "bad.zip", {PATH: CONTENT}, manifest), into=tmp_path / "into")
    assert refused.exit_code == 2
    return str(refused.output)


def test_an_entry_that_the_manifest_does_not_list_is_refused(tmp_path: Path) -> None:
    assert "is not in its manifest.json" in bad_manifest(tmp_path, manifest_of({}))


def test_an_entry_that_only_the_manifest_lists_is_refused(tmp_path: Path) -> None:
    listed = {PATH: CONTENT, PATH.replace(RUN.id, OTHER): CONTENT}
    assert "in its manifest.json and not there" in bad_manifest(tmp_path, manifest_of(listed))


def test_a_manifest_that_lists_a_file_twice_is_refused(tmp_path: Path) -> None:
    once = manifest_of({PATH: CONTENT})
    listed = once[once.index(b"[") + 1 : once.index(b"]")]
    twice = once.replace(listed, listed + b"," + listed)
    assert "lists a file twice" in bad_manifest(tmp_path, twice)


@pytest.mark.parametrize("content", [CONTENT[:-1] + b" ", CONTENT + b" "], ids=["digest", "size"])
def test_other_bytes_than_the_manifest_promises_are_refused(tmp_path: Path, content: bytes) -> None:
    assert "is not what its manifest.json says" in bad_manifest(
        tmp_path, manifest_of({PATH: content})
    )


@pytest.mark.parametrize("manifest", [b"{", b"[]", b"\xff", b'{"a":' + b"[" * 10**5])
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, manifest: bytes) -> None:
    assert "cannot be read" in bad_manifest(tmp_path, manifest)


def test_a_pack_of_a_later_format_says_so(tmp_path: Path) -> None:
    assert "is a pack of format 2" in bad_manifest(tmp_path, manifest_of({PATH: CONTENT}, 2))


def test_a_zip_without_a_manifest_is_no_pack(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as bare:
        bare.writestr(PATH, CONTENT)
    assert "no pack of freezebench" in typed(tmp_path / "bad.zip", into=tmp_path / "into").output


def test_a_pack_without_a_run_is_refused(tmp_path: Path) -> None:
    refused = typed(zipped(tmp_path / "bad.zip", {}), into=tmp_path / "into")
    assert "holds no run" in refused.output


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_a_name_that_is_there_twice_is_refused(tmp_path: Path, packed: Path) -> None:
    with zipfile.ZipFile(packed, "a") as twice:
        twice.writestr(PATH, CONTENT)
    refused = typed(packed, into=tmp_path / "into")
    assert refused.exit_code == 2
    assert "is there twice" in refused.output


def declaring(packed: Path, size: int) -> None:
    """Let the central directory promise another size of the run."""
    raw = bytearray(packed.read_bytes())
    place = raw.rindex(b"PK\x01\x02")
    struct.pack_into("<I", raw, place + 24, size)
    packed.write_bytes(raw)


def test_a_declared_size_of_gigabytes_is_refused_before_anything_is_unpacked(
    tmp_path: Path, packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    really = zipfile.ZipFile.open

    def noting(self: zipfile.ZipFile, name: Any, *more: Any, **named: Any) -> Any:
        opened.append(name.filename)
        return really(self, name, *more, **named)

    monkeypatch.setattr(zipfile.ZipFile, "open", noting)
    declaring(packed, 2**32 - 2)
    refused = typed(packed, into=tmp_path / "into")
    assert "unpacks to more than 64 MiB" in refused.output
    assert opened == ["manifest.json"]


def test_ten_gigabytes_declared_in_the_wide_form_are_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo(PATH)
    with zipfile.ZipFile(tmp_path / "wide.zip", "w") as wide:
        wide.writestr("manifest.json", manifest_of({PATH: CONTENT}))
        wide.writestr(info, CONTENT)
        info.file_size = 10 * 2**30
    refused = typed(tmp_path / "wide.zip", into=tmp_path / "into")
    assert refused.exit_code == 2
    assert "unpacks to more than 64 MiB" in refused.output


def test_a_bomb_is_refused_by_what_comes_out_of_it(tmp_path: Path) -> None:
    zeros = bytes(archive.LARGEST_RUN + 1)
    file = zipped(tmp_path / "bomb.zip", {PATH: zeros})
    assert file.stat().st_size < archive.LARGEST_RUN / 900
    refused = typed(file, into=tmp_path / "into")
    assert refused.exit_code == 2
    assert "unpacks to more than 64 MiB" in refused.output


def test_a_bomb_that_declares_little_gives_no_more_than_it_declares(tmp_path: Path) -> None:
    file = zipped(tmp_path / "bomb.zip", {PATH: bytes(archive.LARGEST_RUN + 1)})
    declaring(file, 10)
    assert typed(file, into=tmp_path / "into").exit_code == 2


def test_all_packs_together_have_one_limit(
    tmp_path: Path, packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = zipped(tmp_path / "other.zip", {PATH.replace(RUN.id, OTHER): CONTENT})
    monkeypatch.setattr(archive, "LARGEST_PACK", int(1.5 * len(CONTENT)))
    assert typed(packed, into=tmp_path / "alone").exit_code == 0
    said = typed(packed, other, into=tmp_path / "into").output
    assert "merge fewer packs at a time" in said
    assert " 0 MiB" not in said


def test_a_file_larger_than_any_pack_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "large.zip").open("wb") as file:
        file.truncate(archive.LARGEST_PACK + archive.MIB)
    monkeypatch.setattr(archive.zipfile, "ZipFile", None)
    refused = typed(tmp_path / "large.zip", into=tmp_path / "into")
    assert "has 1,025 MiB, and 1,024 MiB is the most" in refused.output


def test_a_long_list_of_entries_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {f"{number:050d}": b"" for number in range(1_000)}
    monkeypatch.setattr(archive, "_LARGEST_LIST", 90_000)
    file = zipped(tmp_path / "many.zip", names)
    refused = typed(file, into=tmp_path / "into")
    assert "lists more than 10,000 entries" in refused.output


def test_more_entries_than_any_collection_has_are_refused(tmp_path: Path) -> None:
    names = {f"{number}": b"" for number in range(archive.MOST_ENTRIES)}
    refused = typed(zipped(tmp_path / "many.zip", names), into=tmp_path / "into")
    assert "10,001 entries" in refused.output


def test_an_encrypted_entry_is_refused(tmp_path: Path, packed: Path) -> None:
    raw = bytearray(packed.read_bytes())
    raw[raw.rindex(b"PK\x01\x02") + 8] |= 1
    packed.write_bytes(raw)
    assert "is encrypted; packs are not" in typed(packed, into=tmp_path / "into").output


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_is_refused(tmp_path: Path, compression: int) -> None:
    file = zipped(tmp_path / "other.zip", {PATH: CONTENT}, compression=compression)
    assert "compressed in a way" in typed(file, into=tmp_path / "into").output


@pytest.mark.parametrize("length", [0, 1, 30, 1000, -1, -30])
def test_a_truncated_pack_is_refused(tmp_path: Path, packed: Path, length: int) -> None:
    packed.write_bytes(packed.read_bytes()[:length])
    refused = typed(packed, into=tmp_path / "into")
    assert refused.exit_code == 2
    assert "is no whole pack" in refused.output


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    assert "is no whole pack" in typed(tmp_path / "text.zip", into=tmp_path / "into").output


def test_a_pack_that_is_not_there_is_told(tmp_path: Path) -> None:
    refused = typed(tmp_path / "missing.zip", into=tmp_path / "into")
    assert refused.exit_code == 2
    assert "cannot read" in refused.output


LINKS: dict[str, Callable[[Path], Path]] = {
    "machine": lambda into: into / Path(PATH).parts[0],
    "run": lambda into: into / Path(PATH).parent,
    "file": lambda into: into / PATH,
}


@pytest.mark.parametrize("place", LINKS.values(), ids=LINKS)
def test_a_link_in_the_results_is_never_followed(
    tmp_path: Path, packed: Path, place: Callable[[Path], Path]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = place(tmp_path / "into")
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    refused = typed(packed, into=tmp_path / "into")
    assert refused.exit_code == 2
    assert "is a link" in refused.output
    assert written(outside) == set()


def test_a_link_that_leads_nowhere_is_refused_too(tmp_path: Path, packed: Path) -> None:
    link = tmp_path / "into" / Path(PATH).parent
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "nowhere")
    assert typed(packed, into=tmp_path / "into").exit_code == 2
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_disk_that_refuses_is_told_and_nothing_is_half_there(
    tmp_path: Path, packed: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(store.os, "fsync", refuse)
    refused = typed(packed, into=tmp_path / "into")
    assert refused.exit_code == 2
    assert "cannot write" in refused.output
    assert written(tmp_path / "into") == set()


def test_results_that_are_a_file_are_told(tmp_path: Path, packed: Path) -> None:
    (tmp_path / "file").write_text("")
    assert typed(packed, into=tmp_path / "file" / "results").exit_code == 2


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=8
    )
)
def test_flipped_bytes_write_nothing_outside_and_end_in_a_sentence(
    flips: list[tuple[float, int]],
) -> None:
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.report.files", quick_report)
        folder = Path(place)
        raw = bytearray(SMALL)
        for where, change in flips:
            raw[int(where * len(raw))] ^= change
        (folder / "runs.zip").write_bytes(raw)
        done = typed(folder / "runs.zip", into=folder / "into")
        assert done.exit_code in (0, 2), done.output
        assert done.exception is None or isinstance(done.exception, SystemExit)
        outside = {path for path in written(folder) if not path.startswith("into")}
        assert outside == {"runs.zip"}


def small_pack() -> bytes:
    """A pack of one untimed cell, so that headers and manifest are a large part of it."""
    run = committed("full")
    cell = store.parse(encoded(run), "run").cells[0]
    fields = {name: getattr(cell, name) for name in ("workload", "strategy", "topology", "device",
              "dtype", "batch", "threads", "optimizer")}  # fmt: skip
    failed = type(cell)(**fields, verdict="failed", why="no more")
    with tempfile.TemporaryDirectory() as place:
        return pack([keep(Path(place), run, cells=[failed])]).content


SMALL = small_pack()
