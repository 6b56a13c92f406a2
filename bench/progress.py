"""How fast progress is kept and charted, beside an MLflow tracking server on the same machine.

For SQLite and for PostgreSQL: points kept per second in pushes of 100, by the store alone and over
HTTP; and how long a chart of 1,000 points takes from a history of a million. Then the same points
go to an MLflow tracking server with SQLite, by ``log_batch`` and from the same clients. MLflow is
installed into a temporary environment with pip, as it is pinned below, and asked to tell nobody.

    python3 run.py bench progress [--seconds 10] [--clients 4] [--points 1000000]
        [--databases sqlite,postgresql] [--no-mlflow] [--mlflow FOLDER] [--json]

FOLDER holds an environment that MLflow is in already.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from ganforge._transport import Transport
from ganforge.coordinator import CoordinatorClient
from ganforge.wire.jobs import LearnJob
from ganforge.wire.learning import Claim, Heartbeat, ProgressPush
from ganforge_chassis.database import Database
from ganforge_coordinator import columns, history, progress
from tests.support import postgres
from tests.support.learners import registration

MLFLOW = "mlflow==3.17.2"
COUNT = 100
SERIES = ("minibatchLoss", "dLossReal", "dLossFake", "gradientNorm")
TOKEN = "gf_bench_0123456789abcdef"
LOOKS = 12
PATIENCE_SECONDS = 300.0

Send = Callable[[int], tuple[str, str, bytes]]
"""Gives the path, the content type and the body of a client's n-th request."""


def a_push(seq: int) -> ProgressPush:
    """Make the push of some hundred iterations."""
    dice = random.Random(seq)
    series: dict[str, list[float | None]] = {
        name: [dice.random() for _ in range(COUNT)] for name in SERIES
    }
    return ProgressPush(seq=seq, first=seq * COUNT, series=series)


@contextmanager
def coordinator(folder: Path, database_url: str) -> Iterator[CoordinatorClient]:
    """Run a coordinator as a process of its own until the block ends."""
    command = [sys.executable, "-m", "ganforge", "coordinator", "--port", "0"]
    command += ["--data", str(folder), "--database-url", database_url]
    told = {"TOKENS": f"admin:{TOKEN}", "LEASE_SECONDS": "300", "ACKNOWLEDGE_SECONDS": "300"}
    settings = {f"GANFORGE_COORDINATOR_{name}": value for name, value in told.items()}
    environment = {**os.environ, **settings}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        url = next(line.split()[-1] for line in process.stderr if " at http://" in line)
        drain = threading.Thread(target=process.stderr.read, daemon=True)
        drain.start()
        transport = Transport(url, TOKEN)
        try:
            yield CoordinatorClient(transport)
        finally:
            transport.close()
            process.terminate()


def attempts(client: CoordinatorClient, count: int) -> list[tuple[str, str]]:
    """Submit jobs and begin them; gives the ids of each job and its attempt."""
    begun = []
    for _ in range(count):
        learner = client.register(registration(f"bench-{uuid.uuid4().hex[:8]}")).id
        client.submit(LearnJob(networks=["Generator", "Discriminator"], dataset="MNIST"))
        job = client.claim(learner, Claim(claim_key=uuid.uuid4().hex), wait_seconds=20)
        assert job is not None
        client.heartbeat(job.attempt_id, Heartbeat(started=True), wait_seconds=0)
        begun.append((job.job_id, job.attempt_id))
    return begun


def store_rates(database: Database, attempt_ids: list[str], seconds: float) -> tuple[float, float]:
    """Give the points that the store keeps, one thread for each attempt.

    Returns:
        The points per second, and per second of this process's processor time: on a machine that
        is busy with other things too, the second says more.
    """
    until = time.perf_counter() + seconds
    kept = [0] * len(attempt_ids)

    def push(place: int) -> None:
        said = a_push(0)
        while time.perf_counter() < until:
            again = said.model_copy(update={"seq": kept[place], "first": kept[place] * COUNT})
            with database.write(durable=False) as connection:
                progress.push(connection, attempt_ids[place], again)
            kept[place] += 1

    threads = [threading.Thread(target=push, args=(place,)) for place in range(len(kept))]
    began, worked = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    points = COUNT * sum(kept)
    return points / (time.perf_counter() - began), points / (time.process_time() - worked)


def http_rate(url: str, sends: list[Send], seconds: float) -> float:
    """Give the points per second that a server takes, one process for each client."""
    with multiprocessing.get_context("fork").Pool(len(sends)) as pool:
        asked = [pool.apply_async(send_for, (url, send, seconds)) for send in sends]
        return COUNT * sum(each.get() for each in asked)


def send_for(url: str, send: Send, seconds: float) -> float:
    """Send one request after the other; gives how many were answered per second."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    began, sent = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < seconds:
        path, kind, body = send(sent)
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        told = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {told[:300]!r}")
        sent += 1
    connection.close()
    return sent / passed


_COLUMNS = json.dumps(a_push(0).model_dump(mode="json", by_alias=True)["series"])


def push_request(attempt_id: str, before: int, n: int) -> tuple[str, str, bytes]:
    """Say the n-th push of a client after those kept before."""
    seq = before + n
    body = f'{{"seq": {seq}, "first": {seq * COUNT}, "series": {_COLUMNS}}}'
    return f"/v1/attempts/{attempt_id}/progress", "application/json", body.encode()


def log_batch_request(run_id: str, n: int) -> tuple[str, str, bytes]:
    """Say the same points to MLflow."""
    columns = a_push(0).series
    told = [
        {"key": name, "value": value, "timestamp": 1_700_000_000_000 + n, "step": n * COUNT + at}
        for name, column in columns.items()
        for at, value in enumerate(column)
    ]
    body = json.dumps({"run_id": run_id, "metrics": told}).encode()
    return "/api/2.0/mlflow/runs/log-batch", "application/json", body


def fill(database: Database, attempt_id: str, points: int) -> None:
    """Give a job a long history."""
    said = a_push(0)
    for seq in range(0, points // COUNT, 500):
        with database.write(durable=False) as connection:
            for n in range(seq, min(seq + 500, points // COUNT)):
                again = said.model_copy(update={"seq": n, "first": n * COUNT})
                progress.push(connection, attempt_id, again)


def chart_seconds(url: str, job_id: str) -> dict[str, list[float]]:
    """Give the seconds that a chart takes over HTTP, and those of being told it has not changed."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    found: dict[str, list[float]] = {"chart_seconds": [], "unchanged_seconds": []}
    etag = ""
    for _ in range(LOOKS):
        for name, known in (("chart_seconds", ""), ("unchanged_seconds", etag)):
            headers = {"Authorization": f"Bearer {TOKEN}", "If-None-Match": known}
            began = time.perf_counter()
            connection.request("GET", f"/v1/jobs/{job_id}/progress?maxPoints=1000", None, headers)
            answer = connection.getresponse()
            answer.read()
            found[name].append(time.perf_counter() - began)
            etag = answer.headers["ETag"]
    connection.close()
    return {name: row[1:] for name, row in found.items()}


def chart_processor(database: Database, job_id: str) -> list[float]:
    """Give the seconds of processor time that a chart takes from the store to its JSON.

    PostgreSQL's own come on top.
    """
    found = []
    for _ in range(LOOKS):
        began = time.process_time()
        with database.read() as connection:
            points = history.read(connection, history.find(connection, job_id))
        few = columns.downsample(points, 1000)
        history.as_series(few, sum(map(len, points))).model_dump_json()
        found.append(time.process_time() - began)
    return found


def measure_ours(asked: argparse.Namespace, database_url: str) -> dict[str, Any]:
    """Measure a coordinator on a new database."""
    with tempfile.TemporaryDirectory(prefix="ganforge-bench-") as folder, ExitStack() as stack:
        client = stack.enter_context(coordinator(Path(folder), database_url))
        url = client._transport.base_url
        begun = attempts(client, 2 * asked.clients + 1)
        (job_id, attempt_id), *others = begun
        database = Database(database_url)
        stack.callback(database.close)
        in_store = [attempt for _, attempt in others[: asked.clients]]
        sends: list[Send] = [
            partial(push_request, attempt, 0) for _, attempt in others[asked.clients :]
        ]
        alone, of_processor = store_rates(database, in_store[:1], asked.seconds)
        found: dict[str, Any] = {
            "store_alone": alone,
            "store_processor": of_processor,
            "store": store_rates(database, in_store[1:], asked.seconds)[0],
            "http": http_rate(url, sends, asked.seconds),
        }
        fill(database, attempt_id, asked.points)
        found |= chart_seconds(url, job_id)
        found["chart_processor"] = chart_processor(database, job_id)
        return found


@contextmanager
def mlflow(environment: Path | None) -> Iterator[str]:
    """Run an MLflow tracking server on SQLite until the block ends; gives its URL."""
    with tempfile.TemporaryDirectory(prefix="ganforge-bench-mlflow-") as folder:
        home = environment or installed(Path(folder) / "environment")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [str(home / "bin" / "mlflow"), "server", "--host", "127.0.0.1"]
        command += ["--port", str(port), "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
        # Its workers for jobs of its own would only take the processor from it.
        told = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
        told["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
        with open(f"{folder}/log", "wb") as log:
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=folder,
                env={**os.environ, **told},
                start_new_session=True,
            )
        try:
            url = f"http://127.0.0.1:{port}"
            until_healthy(url, process)
            yield url
        finally:
            os.killpg(process.pid, signal.SIGTERM)  # its workers too
            process.wait()


def installed(folder: Path) -> Path:
    """Install MLflow into an environment of its own."""
    print(f"installing {MLFLOW}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", MLFLOW]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return folder


def until_healthy(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a server answers."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    raise SystemExit("MLflow does not start")


def measure_mlflow(asked: argparse.Namespace) -> float:
    """Give the points per second that MLflow takes from the same clients."""
    with mlflow(asked.mlflow) as url:
        api = f"{url}/api/2.0/mlflow"
        runs = []
        for _ in range(asked.clients):
            made = httpx.post(f"{api}/runs/create", json={"experiment_id": "0"}, timeout=60)
            runs.append(made.json()["run"]["info"]["run_id"])
        return http_rate(url, [partial(log_batch_request, run) for run in runs], asked.seconds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each rate")
    parser.add_argument("--clients", type=int, default=4, help="how many push at once")
    parser.add_argument("--points", type=int, default=1_000_000, help="of the job that is charted")
    parser.add_argument("--databases", default="sqlite,postgresql", help="which, with commas")
    parser.add_argument("--no-mlflow", action="store_true", help="leave MLflow out")
    parser.add_argument("--mlflow", type=Path, help="an environment that has MLflow")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args()
    found: dict[str, Any] = {"load_before": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory(prefix="ganforge-bench-") as folder, ExitStack() as stack:
        for name in asked.databases.split(","):
            database_url = f"sqlite:///{folder}/coordinator.db"
            if name == "postgresql":
                database_url = stack.enter_context(postgres.running()).new_database()
            found[name] = measure_ours(asked, database_url)
        if not asked.no_mlflow:
            found["mlflow"] = {"http": measure_mlflow(asked)}
    found["load_after"] = os.getloadavg()[0]
    if asked.json:
        print(json.dumps(found))
    else:
        show(found)


def show(found: dict[str, Any]) -> None:
    """Print the figures for people."""
    load = found.pop("load_before"), found.pop("load_after")
    print(f"load of the machine: {load[0]:.1f} before, {load[1]:.1f} after")
    theirs = found.pop("mlflow", {}).get("http")
    for name, row in found.items():
        for what in ("store_alone", "store_processor", "store", "http"):
            print(f"{name:>10} {what:>17}: {row[what]:10,.0f} points/s")
        for what in ("chart_seconds", "chart_processor", "unchanged_seconds"):
            median, best = statistics.median(row[what]), min(row[what])
            print(f"{name:>10} {what:>17}: {median:10.3f} s (at best {best:.3f})")
        if theirs:
            ratio = row["http"] / theirs
            print(f"{name:>10} {'http to MLflow':>17}: {ratio:10.1f} x ({theirs:,.0f} points/s)")


if __name__ == "__main__":
    main()
