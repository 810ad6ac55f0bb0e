"""A process that has imported torch, and nothing of any checkout, and forks workers.

A script of its own, `python -P forker.py FD MODULE...`, so that it imports nothing of this project:
a forked worker becomes one of whichever checkout it is sent to, and takes this project's code from
there too, where the checkout is one of it.

All contestants of a life come from one such process (one for each interpreter), for a process has
its own luck, where its code and data happen to lie, and hands it on: workers from two equal forkers
differed by 1 to 4% as long as these lived.

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
from multiprocessing.connection import Connection

LONGEST_ORDER = 65536
END_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


def main() -> None:
    """Carry out orders until the other end is closed."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the gate decides about Ctrl-C
    control = socket.socket(fileno=int(sys.argv[1]))
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
            return
        order = json.loads(said)
        if "end" in order:
            workers.discard(order["end"])
            control.sendall(f"{end(order['end'])}\n".encode())
            continue
        worker = os.fork()
        if worker == 0:
            control.close()
            become_worker(order, descriptors[0])
        os.close(descriptors[0])
        workers.add(worker)
        control.sendall(f"{worker}\n".encode())


def become_worker(order: dict[str, object], descriptor: int) -> None:
    """Turn into a worker of the checkout in the order, and never return."""
    end_with_parent()
    try:
        os.chdir(str(order["folder"]))
        sys.path[:0] = list(order["path"])  # type: ignore[call-overload]
        sys.pycache_prefix = str(order["pycache"])
        side = importlib.import_module("bench.gate.time.side")
        side.serve(Connection(descriptor))
    except BaseException as error:  # the gate reads the last line
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def end(worker: int) -> int:
    """Kill a worker; the status it ended with, if it had ended by itself."""
    done, status = os.waitpid(worker, os.WNOHANG)
    if done == worker:
        return os.waitstatus_to_exitcode(status)
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
    return 0


def end_with_parent() -> None:
    """Be killed when the parent ends: a worker in an endless loop notices nothing else."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(END_WITH_PARENT, signal.SIGKILL)


if __name__ == "__main__":
    main()
