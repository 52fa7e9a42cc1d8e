"""Sign-ins per second: password and authenticator code, through HTTP, on the application's process as it is served."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pyotp

from core import clock, crypto
from core.database import unit_of_work
from core.ports import free_port
from core.settings import ROOT, settings
from members import passwords, totp
from members.models import Account
from tests.benchmarks import store
from tests.benchmarks.installation import cpu_seconds, cpu_shares
from tests.benchmarks.report import Figure, save, spread

CLIENTS = 8
ACCOUNTS = 600
"""Each signs in once: a code counts once, so one account cannot sign in again within its time step."""
SECONDS = 15.0
TARGET_PER_SECOND = 20
_START_SECONDS = 60.0


@dataclass
class _Outcome:
    times: list[float] = field(default_factory=list)
    refused: int = 0


def sign_in(out: Path, cache: Path, work: Path) -> None:
    """Eight clients sign in with one account after another; rate limits are off, Argon2id is at the set parameters."""
    del cache
    data_dir = work / "sign-in"
    store.use(data_dir)
    try:
        password = passwords.make_initial()
        secrets = _make_accounts(password)
        with _application(data_dir) as (url, pid):
            _sign_in_once(url, "warm@example.org", password, secrets.pop("warm@example.org"))
            with cpu_shares(lambda: {"app": cpu_seconds(pid)}) as shares:
                begun = time.perf_counter()
                outcome = _measure(url, password, secrets)
                elapsed = time.perf_counter() - begun
    finally:
        store.leave()
    rate, times = len(outcome.times) / elapsed, spread(outcome.times)
    chosen = settings()
    save(
        "sign_in",
        [
            Figure(f"sign-ins per second, {CLIENTS} clients", round(rate, 1), "/s", TARGET_PER_SECOND, "least"),
            Figure("one sign-in, p50", times.get("p50"), "ms"),
            Figure("one sign-in, p95", times.get("p95"), "ms"),
            Figure("refused", outcome.refused, "", 0),
        ],
        {"elapsed_s": round(elapsed, 2), "times": times, "cores_busy": shares},
        out,
        [
            (
                f"Password (Argon2id, {chosen.argon2_memory_kib} KiB, {chosen.argon2_passes} passes, parallelism 1) and"
                f" code, one form per sign-in, {len(outcome.times)} accounts in {elapsed:.1f} s after one that does not count, rate limits off."
            ),
            f"Cores kept busy: app {shares['app']:.2f}, the clients {shares['client']:.2f}, of {os.cpu_count()}.",
        ],
    )


def _make_accounts(password: str) -> dict[str, str]:
    """Accounts with one password, hashed once; e-mail → secret of the authenticator."""
    hashed, now = passwords.hash_password(password), clock.now()
    emails = {f"a{number}@example.org": totp.new_secret() for number in range(ACCOUNTS)}
    emails["warm@example.org"] = totp.new_secret()
    with unit_of_work() as session:
        ids = {email: uuid.uuid4() for email in emails}
        crypto.create_keys(session, list(ids.values()))
        for email, secret in emails.items():
            session.add(
                Account(
                    id=ids[email],
                    name=email,
                    email=email,
                    email_key=email,
                    password_hash=hashed,
                    totp_sealed=totp.seal(session, ids[email], secret),
                    created_at=now,
                )
            )
    return emails


@contextmanager
def _application(data_dir: Path) -> Iterator[tuple[str, int]]:
    """The application as ``sotay up`` serves it, alone: its address and its process id."""
    port = free_port()
    arguments = ["uvicorn", "sotay.app:create_app", "--factory", "--no-access-log", "--no-server-header"]
    arguments += ["--host", "127.0.0.1", "--port", str(port), "--timeout-graceful-shutdown", "3"]
    environment = {**os.environ, "SOTAY_DATA_DIR": str(data_dir), "SOTAY_RATE_LIMITS": "false"}
    url = f"http://127.0.0.1:{port}"
    with (data_dir / "app.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(httpx.HTTPError):
                httpx.get(f"{url}/admin/sign-in", timeout=5, trust_env=False).raise_for_status()
                break
            time.sleep(0.1)
        else:
            raise RuntimeError(f"the application does not answer: see {data_dir / 'app.log'}")
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


def _sign_in_once(url: str, email: str, password: str, secret: str) -> None:
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        if not _post(client, email, password, secret):
            raise RuntimeError("the first sign-in was refused")


def _post(client: httpx.Client, email: str, password: str, secret: str) -> bool:
    form = {"email": email, "password": password, "code": pyotp.TOTP(secret).at(clock.now())}
    answer = client.post("/admin/sign-in", data=form)
    client.cookies.clear()
    return answer.status_code == 303


def _measure(url: str, password: str, secrets: dict[str, str]) -> _Outcome:
    waiting, lock, outcome = iter(secrets.items()), threading.Lock(), _Outcome()
    deadline = time.perf_counter() + SECONDS

    def client() -> None:
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as browser:
            while time.perf_counter() < deadline:
                with lock:
                    email, secret = next(waiting, ("", ""))
                if not email:
                    return
                begun = time.perf_counter()
                good = _post(browser, email, password, secret)
                with lock:
                    outcome.times.append(time.perf_counter() - begun)
                    outcome.refused += not good

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcome
