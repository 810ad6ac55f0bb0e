"""Checkouts as folders, and requests to those who stand in them."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from bench.gate.time.checkout import Checkout
from bench.gate.time.wire import PROTOCOL
from bench.records import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MODEL = """
import os, signal, sys, time
import torch
from torch import nn
from bench.workloads import Workload

BATCH = {batch}
print("importing", __file__)

def trains(**more):
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    batches = [(torch.randn(BATCH, 4), torch.randint(2, (BATCH,)))]
    more.pop("seed", None)
    return Workload(model, batches, frozen=["0"], **more)

def chatters():
    print("building" * 10_000)
    os.write(1, b"past Python\\n")
    def loss(model, batch):
        print("in a step")
        print("and on stderr", file=sys.stderr)
        return model(batch[0]).sum()
    return trains(loss=loss)

def borrows():
    import borrowed
    return trains()

def has_a_package_called_bench():
    import owned, bench.workloads
    assert owned.BATCH == BATCH, owned.__file__
    return trains()

def killed():
    os.kill(os.getpid(), signal.SIGKILL)

def leaves():
    os._exit(7)

def leaves_like_a_failure():
    print("the last thing that was said")
    os._exit(1)

def exits():
    sys.exit(3)

def hangs():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(1)

def wants_too_much():
    torch.empty(2**60)

def sets_threads():
    def loss(model, batch):
        torch.set_num_threads(2)
        return model(batch[0]).sum()
    return trains(loss=loss)
"""


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def checkout(label: str, root: Path, folder: str = ".") -> Checkout:
    return Checkout(label, root, (root / folder).resolve(), label.upper(), None, dirty=False)


def request(*workloads: str, **changes: Any) -> Request:
    asked: dict[str, Any] = {
        "workloads": workloads,
        "strategies": ("requires_grad",),
        "device": "cpu",
        "dtype": "float32",
        "batch": None,
        "threads": 1,
        "optimizer": "sgd",
        "seed": 0,
        "steps": 1,
        "precision": 0.03,
        "budget": 10.0,
        "cell_timeout": 60.0,
        "freeze": (),
        "weights": None,
        "compile": False,
        "channels_last": False,
    }
    return Request(**{**asked, **changes})


SIDE = """
import json, os, sys, time

def serve(connection):
    while True:
        try:
            ask = json.loads(connection.recv_bytes())
        except EOFError:
            return
        if ask["name"] == "spawn":
            pid = os.fork()
            if pid == 0:
                time.sleep(1000)
            value = pid
        else:
            value = {hello}
        connection.send_bytes(json.dumps({{"value": value}}).encode())
"""


def freezebench_of(root: Path, hello: dict[str, object] | None) -> Checkout:
    """A checkout of this project, as far as a gate can see; no gate in it without a hello."""
    write(root, strategies__strategy="", bench__cells="")
    if hello is not None:
        write(root, bench____init__="", bench__gate____init__="", bench__gate__time____init__="")
        write(root, bench__gate__time__side=SIDE.format(hello=hello))
    return checkout("base", root)


HELLO: dict[str, object] = {
    "protocol": PROTOCOL,
    "version": "1",
    "python": "3",
    "harness": "",
}


@pytest.fixture
def at_most_two_minutes() -> Iterator[None]:
    """Fail instead of waiting for ever on a worker that does not answer."""

    def give_up(*_: object) -> None:
        raise TimeoutError("the test took more than two minutes")

    before: Callable[..., Any] | int | None = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
