"""How many pods a rate needs: known answers, what must hold for every rate, and clear errors. No load is made."""

import re
import subprocess
import sys
from dataclasses import replace
from math import ceil, exp, log, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config import Settings
from loadtests import capacity, objectives, scaling, sizes
from loadtests.queueing import Work
from tests.serving import ROOT

SIZE = sizes.Size(1.0, 500, 2, 10, 0.8, 0)
FIGURES = sizes.Figures(
    "here", {"single": 0.7, "batch": 1.3, "new_connection": 0.8}, (SIZE, replace(SIZE, cpu=0.5, kept=200))
)
RATES = st.floats(0.001, 1e6)
NODES = st.integers(2, 100)
BUSY = st.floats(0.01, 0.98)


def test_wait_is_that_of_known_queues():
    """M/D/1 at half its capacity waits half a service time; exponential service, whose E[S²] is 2 E[S]², all of one."""
    assert Work(1, 1).wait_ms(500) == pytest.approx(0.5)
    assert Work(1, 2).wait_ms(500) == pytest.approx(1)


@given(BUSY, st.floats(0, 100))
def test_tail_of_exponential_service_is_exact(busy, after_ms):
    """M/M/1: P(wait > t) = busy e^-(1 - busy) t."""
    assert Work(1, 2).late(1000 * busy, after_ms) == pytest.approx(busy * exp(-(1 - busy) * after_ms))


@given(BUSY, st.floats(0.5, 0.9999))
def test_percentile_is_what_the_tail_says(busy, share):
    work, rate = Work(0.7, 0.6), 1000 * busy / 0.7
    wait_ms = work.percentile_ms(rate, share)
    late = work.late(rate, wait_ms)
    assert late == pytest.approx(1 - share) if wait_ms else late <= 1 - share + 1e-9


@given(st.floats(0.1, 100), st.floats(0.0001, 0.1))
def test_highest_rate_is_the_last_that_holds(after_ms, share):
    work = Work(0.7, 0.6)
    rate = work.highest_rate(after_ms, share)
    assert work.late(rate, after_ms) <= share
    assert work.late(rate * 1.001, after_ms) > share


def test_more_than_a_worker_computes_waits_for_ever():
    assert Work(1, 1).wait_ms(1000) == Work(1, 1).percentile_ms(1000, 0.99) == float("inf")
    assert Work(1, 1).late(1000, 1e9) == 1


def test_work_of_a_mix():
    assert Work.of({"a": 0.75, "b": 0.25}, {"a": 1, "b": 5}) == Work(2, 7)


@pytest.mark.parametrize(
    ("rate", "nodes", "needed", "pods", "most"),
    [(10, 2, 1, 2, 2), (350, 3, 1, 2, 3), (351, 3, 2, 3, 5), (1400, 2, 4, 8, 16), (1400, 4, 4, 6, 11)],
)
def test_known_plans(rate, nodes, needed, pods, most):
    """A pod keeps 500 and is planned for 350."""
    found = capacity.plan(FIGURES, rate, nodes)
    assert (found.needed, found.pods, found.most) == (needed, pods, most)


def test_known_values_and_cost():
    found = capacity.plan(FIGURES, 351, 3)
    assert capacity.values(found) == [
        "autoscaling.enabled=true",
        "autoscaling.minReplicas=3",
        "autoscaling.maxReplicas=5",
        "autoscaling.targetCPUUtilizationPercentage=46",
        "resources.requests.cpu=400m",
        "resources.limits.cpu=1000m",
    ]
    assert found.core_s_a_million == pytest.approx(3 * 0.4 / (351 * 1.9) * 1e6)
    assert capacity.price_of(found, 3600) == pytest.approx(found.core_s_a_million)


@given(RATES, NODES)
def test_pods_that_a_lost_node_leaves_serve_the_rate_and_no_fewer_would(rate, nodes):
    found = capacity.plan(FIGURES, rate, nodes)
    assert (found.pods - found.lost) * SIZE.planned >= rate * (1 - 1e-9)
    fewer = found.pods - 1
    assert (fewer - ceil(fewer / nodes)) * SIZE.planned < rate * (1 + 1e-9)


@given(RATES, NODES)
def test_autoscaler_leaves_the_plan_alone_at_its_rate(rate, nodes):
    """It wants ceil(pods * used / target) pods, and looks away within a tenth."""
    found = capacity.plan(FIGURES, rate, nodes)
    used = 100 * rate / found.pods * SIZE.planned_cpu_ms / 1000 / SIZE.requested
    assert used <= 1.1 * found.target
    assert found.pods <= found.most
    assert 1 <= found.target <= 100 * sizes.PLANNED


@given(RATES, RATES, NODES)
def test_more_requests_need_no_fewer_pods(one, other, nodes):
    less, more = (capacity.plan(FIGURES, rate, nodes) for rate in sorted((one, other)))
    assert (less.needed, less.pods, less.most) <= (more.needed, more.pods, more.most)
    assert less.pods <= more.pods
    assert less.most <= more.most


@given(RATES, NODES, st.integers(1, 100))
def test_more_nodes_need_no_more_pods(rate, nodes, more):
    assert capacity.plan(FIGURES, rate, nodes + more).pods <= capacity.plan(FIGURES, rate, nodes).pods


@given(st.integers(2, 10_000), st.floats(1.1, 10))
def test_kept_connections_are_enough_for_the_busiest_pod(pods, headroom):
    average = scaling.connections(pods, headroom) / pods
    assert average + sqrt(2 * average * log(pods)) <= headroom * average * (1 + 1e-9)


def test_limit_that_is_passed_is_named():
    assert not [text for _, text in scaling.limits(300, 1, 2, 3, 500) if "BEYOND" in text]
    assert [name for name, text in scaling.limits(100_000, 318, 335, 3, 500) if "BEYOND" in text] == [
        "pods a node",
        "conntrack a node",
    ]


@given(st.floats(0.1, 8), st.floats(1, 10_000), st.floats(0.1, 10))
def test_pod_requests_no_more_than_its_limit(cpu, kept, cpu_ms):
    """Kubernetes refuses it: beside a small limit, a request costs more than at the full rate."""
    size = replace(SIZE, cpu=cpu, kept=kept, planned_cpu_ms=cpu_ms)
    assert 0 < size.requested <= size.cpu


def test_size_is_the_one_that_keeps_most_or_the_one_that_is_named():
    assert capacity.plan(FIGURES, 100, 2).size.cpu == 1
    assert capacity.plan(FIGURES, 100, 2, cpu=0.5).size.kept == 200


def test_mix_is_what_the_load_sends():
    source = (ROOT / "loadtests" / "locustfile.py").read_text()
    weights = re.findall(r'weight = (\d+)\n    title = "([a-z]+)', source)
    assert {name: int(weight) / 10 for weight, name in weights} == {
        name.split("_")[0]: share for name, share in sizes.MIX.items()
    }


def test_objectives_and_queue_are_those_of_load_and_service():
    wanted = objectives.read("steady")
    assert (wanted.p99_ms, wanted.failures) == (sizes.WITHIN_MS, pytest.approx(1 - sizes.ANSWERED))
    assert Settings().queue_ms == capacity.QUEUE_MS


def test_page_gives_the_answers_and_what_was_measured():
    page = (ROOT / "docs" / "CAPACITY.md").read_text()
    figures = sizes.read()
    for one in figures.sizes:
        assert (
            f"| {one.cpu:g} | {one.kept:,.0f} | {one.planned:,.0f} | {one.planned_p50_ms:g} | {one.planned_p99_ms:g} "
            f"| {one.planned_cpu_ms:.2f} | {one.planned_throttled:.1%} |\n" in page
        )
    costs = figures.cpu_ms
    assert f"{costs['single']:.2f} ms" in page
    assert f"{costs['batch']:.2f} ms" in page
    assert f"{costs['new_connection']:.2f} ms" in page
    for rate, nodes in ((100, 3), (1_000, 3), (10_000, 5), (100_000, 20)):
        found = capacity.plan(figures, rate, nodes)
        kept = scaling.connections(found.needed, found.needed * found.size.kept / rate)
        assert (
            f"| {rate:,} | {nodes} | {found.needed} | {found.pods} | {found.most} | {found.target} "
            f"| {found.cores:,.1f} | {found.core_s_a_million:,.0f} | {kept:,} |\n" in page
        )


def answered(*arguments):
    command = [sys.executable, "-m", "loadtests.capacity", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_answer_from_the_measured_figures_is_a_command():
    ended = answered("--rate", "1000", "--price", "0.05")
    assert ended.returncode == 0, ended.stderr
    assert "at 0.05 a core-hour" in ended.stdout
    assert "  --set autoscaling.minReplicas=" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--rate", "0"), "RATE=0: send the requests a second"),
        (("--rate", "-1"), "RATE=-1: send"),
        (("--rate", "nan"), "RATE=nan: send"),
        (("--rate", "inf"), "RATE=inf: send"),
        (("--rate", "1", "--nodes", "1"), "NODES=1: a lost node takes every pod"),
        (("--rate", "1", "--cpu", "3"), "CPU=3: no pod of this limit keeps a rate. Measured: "),
        (("--rate", "1", "--price", "-1"), "PRICE=-1: send what a core costs"),
        (("--rate", "1", "--figures", "absent.toml"), "`make capacity-figures` writes it"),
        (("--rate", "much"), "invalid float value: 'much'"),
    ],
)
def test_question_that_cannot_be_answered_is_one_message(arguments, reason):
    ended = answered(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert reason in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("kept = ", "keeps = ", "each of [[sizes]] must have cpu, kept, planned_cpu_ms"),
        ("[[sizes]]", "[[other]]", "each of [[sizes]] must have"),
        ("single = ", "one = ", "[cpu_ms] must have single, batch, new_connection"),
        ("single = ", "single = -", "this must be a number, 0 or more"),
        ("[cpu_ms]", "cpu_ms", "capacity.toml: "),
    ],
)
def test_wrong_file_of_figures_is_one_message(tmp_path, old, new, reason):
    path = tmp_path / "capacity.toml"
    path.write_text(sizes.PATH.read_text().replace(old, new))
    with pytest.raises(sizes.CapacityError) as raised:
        sizes.read(path)
    assert reason in str(raised.value)


def test_make_without_a_rate_says_so():
    ended = subprocess.run(["make", "capacity"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "make capacity RATE=300" in ended.stdout
