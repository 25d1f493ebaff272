"""Compare this service with its peers: `make bench`. For Linux, with two cores.

The command line, and the order of things; what is measured, and how, is in measure.py.
"""

import argparse
import json
import os
import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loadtests.bench import alone, environments, goals, page, results
from loadtests.bench.catalogue import CATALOGUE, SERVICE, Peer
from loadtests.bench.environments import Environment, LeftOut
from loadtests.bench.measure import CONNECTIONS, EQUAL_RATE, Contestant, Figures, rounds, start
from loadtests.bench.server import CORES, Disqualified, prepare

ROUNDS = 7
ALONE_ROUNDS = 5


def chosen(names: str) -> list[Peer]:
    """Give this service and the peers that are named, or all of them. Exits if one has no such name."""
    known = {peer.name: peer for peer in CATALOGUE}
    wanted = set(filter(None, names.replace(",", " ").split()))
    if unknown := sorted(wanted - known.keys()):
        sys.exit(f"PEERS={names}: there is no {', '.join(unknown)}. There are {', '.join(known)}")
    return [peer for name, peer in known.items() if not wanted or name in {SERVICE, *wanted}]


def made(peers: list[Peer], home: Path) -> dict[str, Environment | LeftOut]:
    """The environment of each peer, made two at a time; or why there is none."""

    def one(peer: Peer) -> Environment | LeftOut:
        try:
            environment = environments.make(peer, home)
            prepare(peer, environment)
        except LeftOut as error:
            return error
        return environment

    # Floors share the service's, which is made by then.
    first = {SERVICE: one(peers[0])}
    with ThreadPoolExecutor(2) as pool:
        return first | dict(zip((peer.name for peer in peers[1:]), pool.map(one, peers[1:]), strict=True))


def enter(peer: Peer, environment: Environment | LeftOut, stack: ExitStack) -> Contestant | dict[str, Any]:
    """Start a peer; if that fails, give what the results say of it."""
    try:
        if isinstance(environment, LeftOut):
            raise environment
        server, times = start(peer, environment)
    except LeftOut as error:
        print(f"  {peer.title}: left out: {error}", flush=True)
        return _entry(peer) | {"left_out": str(error)}
    except Disqualified as error:
        print(f"  {peer.title}: disqualified: {error}", flush=True)
        return _entry(peer) | asdict(Figures(disqualified=str(error)))
    stack.callback(server.stop)
    print(f"  {peer.title}: first right answer after {min(times):.2f} s", flush=True)
    return Contestant(server, Figures(start_s=times, installed_mb=environment.installed_mb))


def measured(peers: list[Peer], home: Path, count: int, with_alone: bool) -> dict[str, Any]:
    """Make, start, ask and stop the peers; give all figures."""
    print("Environments: the first run makes them", flush=True)
    places = made(peers, home)
    found: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        entered = {peer.name: enter(peer, places[peer.name], stack) for peer in peers}
        contestants = [one for one in entered.values() if isinstance(one, Contestant)]
        for index in rounds(contestants, count):
            print(f"  round {index} of {count}", flush=True)
        for peer in peers:
            one = entered[peer.name]
            found[peer.name] = _entry(peer) | asdict(one.figures) if isinstance(one, Contestant) else one
    if "left_out" in found[SERVICE] or found[SERVICE]["disqualified"]:
        sys.exit(f"FAILED: this service is {results.excluded({'peers': [found[SERVICE]]})[0][1]}")
    print("  this service alone", flush=True)
    return {
        "machine": _machine(),
        "python": platform.python_version(),
        "rounds": count,
        "connections": CONNECTIONS,
        "equal_rate": EQUAL_RATE,
        "peers": list(found.values()),
        "alone": alone.both(peers[0], places[SERVICE], ALONE_ROUNDS) if with_alone else {},
    }


def _entry(peer: Peer) -> dict[str, Any]:
    pins = peer.requirements.read_text() if peer.requirements.exists() else ""
    return {"name": peer.name, "title": peer.title, "version": results.version(peer.name, pins)}


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return f"{os.cpu_count()} cores of {model}, {platform.system()} {platform.release().partition('-')[0]}"


def main() -> int:
    """Compare, print, and give 0 if every goal that was judged is reached."""
    parser = argparse.ArgumentParser(prog="loadtests.bench", description="Compare this service with its peers.")
    parser.add_argument("--home", type=Path, required=True, help="folder of the peers' environments")
    parser.add_argument("--peers", default="", help="their names, with commas; default: all, and the page is written")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    if not Path("/proc/self/smaps_rollup").exists() or len(CORES) < 2:
        sys.exit("make bench needs Linux and two cores: one for the server, one for the load")
    everyone = not arguments.peers
    found = measured(chosen(arguments.peers), arguments.home, arguments.rounds, everyone)
    print("\n" + page.text(found))
    if everyone:
        results.FIGURES.parent.mkdir(exist_ok=True)
        results.FIGURES.write_text(json.dumps(_rounded(found), indent=1) + "\n")
    return goals.judge(found).exit_code


def _rounded(value: Any) -> Any:
    """Four digits of each figure: more would be noise."""
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    sys.exit(main())
