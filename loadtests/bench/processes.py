"""What a process and all that it started take, by the kernel's own accounts. For Linux; standard library only."""

import os
from collections.abc import Iterator
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


class _Stat:
    """The fields of /proc/PID/stat that matter here; see proc_pid_stat(5)."""

    def __init__(self, text: str) -> None:
        fields = text.rpartition(")")[2].split()
        self.parent, self.session = int(fields[1]), int(fields[3])
        self.ticks = sum(map(int, fields[11:15]))  # in user and system mode, its own and of children that ended


def tree(root: int) -> dict[int, float]:
    """The seconds of CPU of a process, of all that it started, and of what these started, by pid.

    A process belongs here if its parent does, or if it is of the session that `root` leads: whatever lost its parent.
    """
    found = dict(_processes())
    members = {root}
    while True:
        new = {pid for pid, one in found.items() if one.parent in members or one.session == root} - members
        if not new:
            return {pid: found[pid].ticks / _TICKS_A_SECOND for pid in members if pid in found}
        members |= new


def cpu_s(root: int) -> float:
    """The seconds of CPU of a process and all that it started, ended or not."""
    return sum(tree(root).values())


def running_and_waiting_ns(root: int) -> tuple[int, int]:
    """Nanoseconds for which a process and all that it started ran, and had to wait for a core; of threads that live.

    Finer than `cpu_s`, for short whiles.
    """
    threads = (thread for pid in tree(root) for thread in Path(f"/proc/{pid}/task").iterdir())
    ran, waited = zip(*((thread / "schedstat").read_text().split()[:2] for thread in threads), strict=True)
    return sum(map(int, ran)), sum(map(int, waited))


def idle_s(cores: list[int]) -> float:
    """The seconds for which some cores had nothing to do, all together."""
    names = {f"cpu{core}" for core in cores}
    lines = (line.split() for line in Path("/proc/stat").read_text().splitlines())
    return sum(int(one[4]) + int(one[5]) for one in lines if one[0] in names) / _TICKS_A_SECOND


def memory_mb(root: int) -> tuple[float, float, float]:
    """Megabytes of a process and all that it started: proportional, resident, and resident of the largest one.

    Proportional: a page that several share counts once.
    """
    shares, residents = [], []
    for pid in tree(root):
        kib = _kib(pid)
        shares.append(kib["Pss"] * 1.024e-3)
        residents.append(kib["Rss"] * 1.024e-3)
    return sum(shares), sum(residents), max(residents)


def _kib(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}


def _processes() -> Iterator[tuple[int, _Stat]]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                yield int(entry.name), _Stat(Path(entry.path, "stat").read_text())
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended meanwhile
