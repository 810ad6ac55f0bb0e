"""A process that has imported torch, and nothing of any checkout, and forks workers.

A script of its own, `python -P forker.py FD MODULE...`, so that it imports nothing of this project:
a forked worker becomes one of whichever checkout it is sent to, and takes this project's code from
there too, where the checkout is one of it.

All contestants of a life come from one such process (one for each interpreter), for a process has
its own luck, where its code and data happen to lie, and hands it on: workers from two equal forkers
differ by percents, the same ones life after life, as long as the forkers live.

It speaks JSON over a socket: an order to fork comes with one end of a socket pair for the worker.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import sys
import sysconfig
import time
from multiprocessing.connection import Connection
from typing import Any

LONGEST_ORDER = 65536
END_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
COULD_NOT_SERVE = 70  # EX_SOFTWARE of sysexits.h: the last line that was said has the reason


def main() -> None:
    """Carry out orders until the other end is closed."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the gate decides about Ctrl-C
    control = socket.socket(fileno=int(sys.argv[1]))
    own = os.getpid()
    for name in sys.argv[2:]:
        with contextlib.suppress(ImportError):  # whoever needs it says so
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    control.sendall(b"ready\n")
    workers: set[int] = set()
    while True:
        said, descriptors, _, _ = socket.recv_fds(control, LONGEST_ORDER, 1)
        if not said:
            for worker in workers:
                end(worker)
            os._exit(0)  # nothing to tidy up, and the gate waits
        order = json.loads(said)
        if "end" in order:
            workers.discard(order["end"])
            control.sendall(f"{end(order['end'], order['patience'])}\n".encode())
            continue
        worker = os.fork()
        if worker == 0:
            control.close()
            become_worker(order, descriptors[0], parent=own)
        os.close(descriptors[0])
        workers.add(worker)
        control.sendall(f"{worker}\n".encode())


def become_worker(order: dict[str, Any], descriptor: int, parent: int) -> None:
    """Turn into a worker of the checkout in the order, and never return."""
    end_with_parent()
    if os.getppid() != parent:  # which ended before it could be asked to tell
        os._exit(0)
    try:
        os.chdir(order["folder"])
        sys.path[:0] = order["harness"]
        sys.pycache_prefix = order["pycache"]
        side = importlib.import_module("bench.gate.time.side")
        # Only now: a user may have a package called `bench` too.
        sys.path[:0] = order["first"]
        at = first_installed()
        sys.path[at:at] = order["before_installed"]
        side.serve(Connection(descriptor))
    except BaseException as error:  # the gate reads the last line
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(COULD_NOT_SERVE)
    os._exit(0)


def first_installed() -> int:
    """Where on the path installed packages begin."""
    installed = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    return min((i for i, entry in enumerate(sys.path) if entry in installed), default=len(sys.path))


def end(worker: int, patience: float = 0.0) -> int:
    """Kill a worker that doesn't end by itself in so many seconds; the status it ended with.

    A process that dies closes its pipe before it counts as dead, so whoever has seen the pipe close
    and wants to know why is a moment too early.
    """
    until = time.monotonic() + patience
    while True:
        try:
            done, status = os.waitpid(worker, os.WNOHANG)
        except ChildProcessError:  # ended before
            return 0
        if done == worker:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= until:
            break
        time.sleep(0.005)
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
    return 0


def end_with_parent() -> None:
    """Be killed when the parent ends: a worker in an endless loop notices nothing else."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(END_WITH_PARENT, signal.SIGKILL)


if __name__ == "__main__":
    main()
