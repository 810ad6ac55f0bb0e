"""`freezebench page` and `serve` at the door."""

from __future__ import annotations

import socket
import sys

import msgspec
import pytest
from click.testing import CliRunner
from page_runs import build_cell, build_run

from bench.cli import main
from bench.exits import DONE, WRONG_REQUEST
from bench.records import Memory, Midway

PLAIN = build_run(cells=[build_cell(verdict="severed")])


@pytest.fixture(name="results")
def results_folder(tmp_path):
    for name in ("one", "other"):
        folder = tmp_path / "results" / "machine" / name
        folder.mkdir(parents=True)
        run = msgspec.structs.replace(PLAIN, id=name)
        (folder / "run.json").write_bytes(msgspec.json.encode(run))
    return tmp_path / "results"


def _call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("named", ["machine/one", "machine/one/run.json"])
def test_a_run_becomes_a_file(results, tmp_path, named):
    done = _call("page", results / named, "-o", tmp_path / "page.html")
    assert (done.exit_code, (tmp_path / "page.html").read_bytes()[:15]) == (
        DONE,
        b"<!doctype html>",
    )


@pytest.mark.parametrize("named", ["", "machine"])
def test_a_folder_stands_for_all_runs_in_it(results, tmp_path, named):
    done = _call("page", results / named, "-o", tmp_path / "page.html")
    assert "holds 2 runs" in done.output


@pytest.fixture(name="pair")
def two_that_differ_in_threads(tmp_path):
    for threads in (1, 2):
        folder = tmp_path / "pair" / "machine" / str(threads)
        folder.mkdir(parents=True)
        made = [build_cell(strategy=name, threads=threads) for name in ("full", "no_grad")]
        run = msgspec.structs.replace(build_run(cells=made), id=str(threads))
        (folder / "run.json").write_bytes(msgspec.json.encode(run))
    return tmp_path / "pair"


def test_runs_that_may_be_compared_are_compared_first(pair, tmp_path):
    done = _call("page", pair, "-o", tmp_path / "page.html")
    assert done.exit_code == DONE, done.output
    assert "Side by side, by threads" in (tmp_path / "page.html").read_text()


def test_what_was_asked_for_and_may_not_lie_side_by_side_is_refused(pair, tmp_path):
    done = _call("page", pair, "-o", tmp_path / "page.html", "--by", "dtype")
    assert (done.exit_code, "--allow threads" in done.output) == (WRONG_REQUEST, True)
    assert not (tmp_path / "page.html").exists()


def test_a_run_that_is_left_out_of_what_was_asked_for_has_no_section(pair, tmp_path):
    done = _call("page", pair, "-o", tmp_path / "page.html", "--only", "threads=1")
    assert "holds 1 run in" in done.output


def test_a_run_that_is_named_twice_is_shown_once(results, tmp_path):
    one = results / "machine" / "one"
    done = _call("page", one, one / "run.json", "-o", tmp_path / "page.html")
    assert "holds 1 run in" in done.output


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: None, "there is no"),
        (lambda folder: folder.mkdir(), "there is no run in"),
        (lambda folder: folder.write_text('{"schema"'), "is truncated or no JSON"),
        (lambda folder: folder.write_text('{"schema": 99}'), "has schema 99"),
        (lambda folder: folder.write_text('{"schema": 1}'), "is not a valid run"),
    ],
)
def test_what_is_no_run_is_refused_in_a_sentence(tmp_path, make, said):
    make(tmp_path / "run")
    done = _call("page", tmp_path / "run", "-o", tmp_path / "page.html")
    assert (done.exit_code, said in done.output) == (WRONG_REQUEST, True)


def test_a_place_that_is_not_there_is_named(results, tmp_path):
    done = _call("page", results / "machine/one", "-o", tmp_path / "absent" / "page.html")
    assert (done.exit_code, "absent" in done.output) == (WRONG_REQUEST, True)


@pytest.mark.parametrize("command", ["page", "serve"])
def test_a_missing_package_is_told_with_what_to_install(results, monkeypatch, command, request):
    from bench.page.environment import environment  # noqa: PLC0415

    environment.cache_clear()
    request.addfinalizer(environment.cache_clear)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.setitem(sys.modules, "markupsafe", None)
    done = _call(command, results)
    assert (done.exit_code, "pip install 'freezebench[page]'" in done.output) == (
        WRONG_REQUEST,
        True,
    )


def test_a_port_that_is_taken_is_refused_in_a_sentence(results):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = _call("serve", results, "--port", taken.getsockname()[1])
    assert (done.exit_code, "choose another with --port" in done.output) == (WRONG_REQUEST, True)


def test_a_folder_that_is_not_there_is_not_served(tmp_path):
    done = _call("serve", tmp_path / "absent")
    assert (done.exit_code, "is no folder" in done.output) == (WRONG_REQUEST, True)


def test_a_run_whose_lists_differ_in_length_is_refused_in_a_sentence(results, tmp_path):
    cell = build_cell()
    shorter = msgspec.structs.replace(cell.origin, life=cell.origin.life[1:])
    run = build_run(cells=[msgspec.structs.replace(cell, origin=shorter)])
    (results / "machine/one/run.json").write_bytes(msgspec.json.encode(run))
    done = _call("page", results / "machine/one", "-o", tmp_path / "page.html")
    assert (done.exit_code, "changed by hand" in done.output) == (WRONG_REQUEST, True)


def test_a_page_names_no_folder_of_the_machine(results, tmp_path):
    failed = msgspec.structs.replace(
        build_cell(verdict="failed"),
        why="cannot read /home/somebody/data.bin",
        midway=Midway("failed", "cannot read ~/data.bin", None),
        memory=Memory(notes=["cannot read /home/somebody/memory.bin"]),
    )
    run = msgspec.structs.replace(PLAIN, id="one", cells=[failed])
    (results / "machine/one/run.json").write_bytes(msgspec.json.encode(run))
    _call("page", results / "machine/one", "-o", tmp_path / "page.html")
    content = (tmp_path / "page.html").read_text()
    assert "cannot read data.bin" in content
    assert "somebody" not in content


def test_notes_beside_a_comparison_name_no_folder(pair, tmp_path):
    (pair / "machine" / "broken").mkdir()
    (pair / "machine" / "broken" / "run.json").write_text("{")
    _call("page", pair, "-o", tmp_path / "page.html", "--by", "threads")
    content = (tmp_path / "page.html").read_text()
    assert "left out: run.json is truncated" in content
    assert str(pair) not in content
