"""measure.py: runs commands and peers, and says what they took."""

import ctypes
import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass
class Sample:
    seconds: float
    cpu: float  # seconds of all threads


class Command:
    """One of our tools, or a command of others: every round is a whole process."""

    def __init__(self, label, arguments, log, warms_up=False):
        self.label, self.arguments, self.log = label, [str(a) for a in arguments], log
        self.warms_up = warms_up
        self.absent, self.memory, self.version = None, 0, ""

    def start(self):
        if self.warms_up:
            self.run()

    def run(self):
        begin = time.perf_counter()
        child = subprocess.Popen(self.arguments, stdout=subprocess.DEVNULL, stderr=self.log)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            self.absent = f"exit status {child.returncode}, see the log"
            return None
        self.memory = max(self.memory, usage.ru_maxrss / 1024)
        return Sample(seconds, usage.ru_utime + usage.ru_stime)

    def stop(self):
        pass


class Peer:
    """A function of peers.py in a process of its own, which loads and warms up once and then waits.

    A peer that is not there, fails, or takes longer than `limit` seconds is absent.
    """

    def __init__(self, label, python, name, settings, log, limit=150):
        self.label, self.python, self.name, self.settings = label, python, name, settings
        self.log, self.limit = log, limit
        self.absent, self.memory, self.version, self.child = None, 0, "", None

    def start(self):
        if not self.python:
            self.absent = "not installed"
            return
        script = os.path.join(os.path.dirname(__file__), "peers.py")
        self.child = subprocess.Popen(
            [self.python, script, self.name, json.dumps(self.settings)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)
        answer = self.answer()
        if answer:
            self.version = answer["version"]

    def run(self):
        self.child.stdin.write(b"\n")
        self.child.stdin.flush()
        answer = self.answer()
        return Sample(answer["seconds"], answer["cpu"]) if answer else None

    def answer(self):
        """The next line from the peer; None where it has become absent."""
        if select.select([self.child.stdout], [], [], self.limit)[0]:
            line = self.child.stdout.readline()
            answer = json.loads(line) if line else {"absent": "it ended early, see the log"}
            self.absent = answer.get("absent")
        else:
            self.absent = f"no answer within {self.limit} s"
            self.child.kill()
        return None if self.absent else answer

    def stop(self):
        if self.child:
            try:
                self.child.stdin.close()
            except BrokenPipeError:
                pass
            self.child.stdout.close()
            _, _, usage = os.wait4(self.child.pid, 0)
            self.child.returncode = 0
            self.memory = usage.ru_maxrss / 1024


def sgemm_peak(threads, seconds=1.5):
    """GFLOPS of OpenBLAS's sgemm: the best call within so many seconds.

    In a process of its own, as all that takes memory: a child's peak begins with its parent's size.
    """
    command = [sys.executable, __file__, str(threads), str(seconds)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def time_sgemm(threads, seconds):
    library = ctypes.CDLL("libopenblas.so.0")
    library.openblas_set_num_threads(threads)
    m, n, k = 1024, 1536, 1536
    a, b, c = ((ctypes.c_float * size)(*[0.5] * size) for size in (m * k, k * n, m * n))
    one, best, end = ctypes.c_float(1), float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        library.cblas_sgemm(101, 111, 112, m, n, k, one, a, k, b, k, ctypes.c_float(0), c, n)
        best = min(best, time.perf_counter() - begin)
    return 2e-9 * m * n * k / best


def blas_name():
    library = ctypes.CDLL("libopenblas.so.0")
    library.openblas_get_config.restype = ctypes.c_char_p
    library.openblas_get_corename.restype = ctypes.c_char_p
    version = library.openblas_get_config().decode().split(" NO_")[0]
    return f"{version}, kernels {library.openblas_get_corename().decode()}"


if __name__ == "__main__":
    print(time_sgemm(int(sys.argv[1]), float(sys.argv[2])))
