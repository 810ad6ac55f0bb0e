"""The server: what it gives, and what it refuses."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
import pytest
from page_runs import build_cell, build_run

from bench.page import serve
from bench.page.listing import PAGE, runs_below

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
RUN = "machine/20260102-030405-abcd"
PLAIN = msgspec.json.encode(build_run(cells=[build_cell(verdict="severed")]))


def _keep(results: Path, name: str, content: bytes = PLAIN) -> Path:
    folder = results / name
    folder.mkdir(parents=True)
    (folder / "run.json").write_bytes(content)
    return folder


@pytest.fixture(name="results")
def results_folder(tmp_path) -> Path:
    results = tmp_path / "results"
    folder = _keep(results, RUN)
    (folder / "ratio.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (results / "out").symlink_to(tmp_path)
    return results


@pytest.fixture(name="port")
def running(results) -> Iterator[int]:
    with serve.serving(results, 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def _ask(port, path, method="GET", host="localhost"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest(method, path, skip_host=True)
    if host is not None:
        connection.putheader("Host", host)
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def test_the_list_names_the_runs(port):
    _, content = _ask(port, "/")
    assert f'href="/run/{RUN}"'.encode() in content


def test_a_run_is_shown_as_its_page(port):
    answer, content = _ask(port, f"/run/{RUN}")
    assert (answer.status, b"What each way of freezing cost" in content) == (200, True)


def test_a_file_is_given_as_it_is(port, results):
    _, content = _ask(port, f"/files/{RUN}/run.json")
    assert content == (results / RUN / "run.json").read_bytes()


def test_a_page_is_made_once(port, monkeypatch):
    made = []
    monkeypatch.setattr(serve, "render", lambda runs: made.append(runs) or b"page")
    for _ in range(3):
        _ask(port, f"/run/{RUN}")
    assert len(made) == 1


def test_a_page_is_made_again_after_its_run_has_changed(port, results, monkeypatch):
    monkeypatch.setattr(serve, "render", lambda runs: runs[0].machine.name.encode())
    _ask(port, f"/run/{RUN}")
    (results / RUN / "run.json").write_bytes(
        msgspec.json.encode(build_run(cells=[], machine="another, with a longer name"))
    )
    assert _ask(port, f"/run/{RUN}")[1] == b"another, with a longer name"


def test_a_head_request_gets_no_content(port):
    answer, content = _ask(port, "/", "HEAD")
    assert (content, int(answer.getheader("Content-Length")) > 0) == (b"", True)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_whatever_could_write_is_refused(port, method):
    answer, _ = _ask(port, "/", method)
    assert (answer.status, answer.getheader("Allow")) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:8008", "[::1]:8008"]
)
def test_this_machine_may_be_called(port, host):
    assert _ask(port, "/", host=host)[0].status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.2", "", None],
)
def test_a_request_under_another_name_is_refused(port, host):
    assert _ask(port, "/", host=host)[0].status == 403


@pytest.mark.parametrize(
    "path",
    [
        "/files/../../secret",
        "/files/machine/../../secret",
        "/files/machine/%2e%2e/secret",
        "/files/%2e%2e/%2e%2e/secret",
        "/files/%252e%252e/%252e%252e/secret",
        "/files/machine/..%2f..%2f../secret",
        "/files/machine/20260102-030405-abcd/..%5c..%5csecret",
        "/files//etc/passwd",
        "//etc/passwd",
        "/files/%2fetc/x/passwd",
        "/files/machine/20260102-030405-abcd/run.json%00.svg",
        f"/files/{RUN}/link",
        "/files/out/results/secret",
        "/run/out/results",
        f"/files/{RUN}/.run.json.tmp",
        f"/files/{RUN}",
        f"/files/{RUN}/",
        f"/files/{RUN}/%ff",
        f"/files/{RUN}/run.json/more",
        f"/run/{RUN}/more",
        "/run/machine",
        "/machine",
        "http://evil.example/secret",
        "http://[/secret",
    ],
)
def test_nothing_else_is_found(port, path):
    assert _ask(port, path)[0].status == 404


def test_a_run_that_cannot_be_read_is_told_in_a_sentence(port, results):
    _keep(results, "machine/broken", b'{"schema": 1, "id')
    answer, content = _ask(port, "/run/machine/broken")
    assert (answer.status, b"is truncated" in content) == (500, True)


@pytest.mark.parametrize("error", [ValueError, OSError, KeyError, ZeroDivisionError])
def test_what_goes_wrong_is_told_with_its_type(port, monkeypatch, error):
    def fail(runs):
        raise error("a chart has no axis")

    monkeypatch.setattr(serve, "render", fail)
    answer, content = _ask(port, f"/run/{RUN}")
    said = f"{error.__name__}: ".encode() in content and b"a chart has no axis" in content
    assert (answer.status, said) == (500, True)


def test_a_file_that_goes_away_meanwhile_is_not_there(port, monkeypatch):
    monkeypatch.setattr(serve, "render", lambda runs: Path("/absent/run.json").read_bytes())
    assert _ask(port, f"/run/{RUN}")[0].status == 404


@pytest.mark.parametrize("path", ["/", f"/run/{RUN}", f"/files/{RUN}/ratio.svg", "/absent"])
@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Frame-Options", "DENY"),
    ],
)
def test_every_answer_is_told_to_be_careful_with(port, path, header, value):
    assert _ask(port, path)[0].getheader(header) == value


@pytest.mark.parametrize("path", ["/", f"/run/{RUN}", f"/files/{RUN}/ratio.svg", "/absent"])
def test_every_answer_may_request_nothing(port, path):
    assert _ask(port, path)[0].getheader("Content-Security-Policy").startswith("default-src 'none'")


def test_a_drawing_may_run_no_script(port):
    policy = _ask(port, f"/files/{RUN}/ratio.svg")[0].getheader("Content-Security-Policy")
    assert "script-src" not in policy


@pytest.mark.parametrize("asked", ["0", "-1", "99999", "x", "٣", "9" * 400, ""])
def test_a_page_of_the_list_that_is_not_there_is_the_nearest(port, asked):
    assert _ask(port, f"/?page={quote(asked)}")[0].status == 200


def test_a_long_list_has_pages(port, results):
    for number in range(PAGE):
        _keep(results, f"machine/20250101-000000-{number:04d}", b"{}")
    assert b"page 2 of 2" in _ask(port, "/?page=2")[1]


def test_the_newest_run_comes_first(results):
    _keep(results, "another/20270101-000000-0000")
    assert [one.run for one in runs_below(results)] == [
        "20270101-000000-0000",
        "20260102-030405-abcd",
    ]


def test_a_link_is_not_listed(results):
    assert {one.machine for one in runs_below(results)} == {"machine"}


def test_nobody_else_can_connect(results):
    with serve.serving(results, 0) as server:
        assert server.server_address[0] == "127.0.0.1"


def test_nonsense_gets_an_answer(port):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"\x00\xff nonsense\r\n\r\n")
        assert b"400" in connection.recv(4096)


def test_ctrl_c_ends_it_quietly(results):
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "bench", "serve", str(results), "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (said[:17], process.returncode, errors) == ("http://127.0.0.1:", 0, "")
