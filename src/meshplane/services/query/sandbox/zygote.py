"""The fork server: loads the engine's code once, and forks a child for each statement.

It runs as `python -I -m meshplane.services.query.sandbox.zygote <descriptor>` with an empty
environment. It opens no engine itself, because threads do not survive a fork. Over the descriptor,
a socket to the parent, records of fixed size go both ways (`control.py`): the parent asks for a
child and hands over the socket that the child will serve, or asks for a child's end; the fork
server says that it is ready and which children have ended. Only the fork server reaps, so a process
id cannot have passed to someone else when it signals one. It ends, with all children, when the
parent's socket closes.
"""

import gc
import os
import select
import signal
import socket
import sys
from collections.abc import Callable

from meshplane.services.query.sandbox import control


class Zygote:
    """The loop of the fork server.

    Args:
        parent: the socket to the parent.
        serve: what a child does with its socket and the process id of the fork server.
    """

    def __init__(self, parent: socket.socket, serve: Callable[[socket.socket, int], None]) -> None:
        self._parent = parent
        self._serve = serve
        self._pids: dict[int, int] = {}  # child number -> process id
        self._inbox = control.Inbox()
        self._wake, self._waker = socket.socketpair()
        self._waker.setblocking(False)

    def run(self) -> None:
        """Serves until the parent is gone."""
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        self._tell(control.READY, os.getpid())
        watched = [self._parent, self._wake]
        while True:
            readable, _, _ = select.select(watched, [], [])
            if self._wake in readable:
                self._wake.recv(4096)
                self._reap()
            if self._parent in readable and not self._take():
                break
        for number in list(self._pids):
            self._kill(number)
        while self._pids:
            self._wait(0)

    def _take(self) -> bool:
        records = self._inbox.receive(self._parent)
        if records is None:
            return False
        for operation, number, descriptor in records:
            if operation == control.FORK and descriptor is not None:
                self._fork(number, descriptor)
            elif operation == control.KILL:
                self._kill(number)
        return True

    def _fork(self, number: int, descriptor: int) -> None:
        own = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._child(descriptor, own)
        self._pids[number] = pid
        os.close(descriptor)

    def _child(self, descriptor: int, zygote_pid: int) -> None:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for sock in (self._parent, self._wake, self._waker):
                sock.close()
            self._inbox.close_waiting()
            self._serve(socket.socket(fileno=descriptor), zygote_pid)
            status = 0
        finally:
            # No clean-up of a process that shares its memory with the fork server, and no trace on
            # standard error: a trace could hold data.
            os._exit(status)

    def _kill(self, number: int) -> None:
        pid = self._pids.get(number)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        while self._pids and self._wait(os.WNOHANG):
            pass

    def _wait(self, options: int) -> bool:
        pid, _ = os.waitpid(-1, options)
        if pid == 0:
            return False
        for number, known in list(self._pids.items()):
            if known == pid:
                del self._pids[number]
                self._tell(control.ENDED, number)
        return True

    def _tell(self, operation: bytes, number: int) -> None:
        try:
            self._parent.sendall(control.record(operation, number))
        except OSError:
            # The parent is gone; the next look at its socket ends the loop.
            return


def main() -> None:
    """Loads what a child needs and serves on the descriptor that the command line names."""
    parent = socket.socket(fileno=int(sys.argv[1]))
    os.chdir("/")
    from meshplane.services.query.sandbox import functions, worker

    functions.may_call("abs")
    gc.collect()
    gc.freeze()  # children share these pages until they write; a collection would write to all
    Zygote(parent, worker.serve).run()


if __name__ == "__main__":
    main()
