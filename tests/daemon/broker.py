"""A real mosquitto on loopback, with TLS, passwords and an access list; installed from Debian where it may be."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

MOSQUITTO = "/usr/sbin/mosquitto"
SECRETS = {"u1": "of the unit", "ward": "of who may stop", "reader": "of who may read"}
ACL = Path(__file__).parents[2] / "config" / "mosquitto.acl"  # as it is shipped


def needs_mosquitto() -> None:
    """Install it, or skip with the reason."""
    if Path(MOSQUITTO).exists():
        return
    if os.geteuid() or not shutil.which("apt-get"):
        pytest.skip("mosquitto is not installed, and this user cannot install it")
    done = subprocess.run(
        ["apt-get", "install", "-y", "-q", "--no-install-recommends", "mosquitto"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    if done.returncode or not Path(MOSQUITTO).exists():
        pytest.skip(f"mosquitto cannot be installed: {done.stderr.strip()[-200:]}")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Broker:
    """One that can be killed and started again on the same port."""

    def __init__(self, folder: Path, *, tls: bool) -> None:
        self.folder, self.port, self.tls = folder, free_port(), tls
        lines = [
            f"listener {self.port} 127.0.0.1",
            "persistence false",
            "user root",
            "connection_messages false",
        ]
        if tls:
            _certificates(folder)
            lines += [
                f"cafile {folder}/ca.pem", f"certfile {folder}/server.pem", f"keyfile {folder}/server.key",
                "allow_anonymous false", f"password_file {folder}/passwords", f"acl_file {ACL}",
            ]  # fmt: skip
            for user, secret in SECRETS.items():
                (folder / f"{user}.secret").write_text(secret)
            _passwords(folder / "passwords")
        else:
            lines.append("allow_anonymous true")
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with (self.folder / "mosquitto.log").open("ab") as log:
            process = subprocess.Popen(
                [MOSQUITTO, "-c", str(self.folder / "mosquitto.conf")],
                stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        until_s = time.monotonic() + 10
        while True:
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", self.port)) == 0:
                    return process
            assert process.poll() is None, (self.folder / "mosquitto.log").read_text()
            assert time.monotonic() < until_s
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def start(self) -> None:
        self.process = self._start()

    def section(self, **more: Any) -> dict[str, Any]:
        """[mqtt] of a unit that may use it."""
        secret = {
            "ca_file": f"{self.folder}/ca.pem", "username": "u1", "password_file": f"{self.folder}/u1.secret",
        }  # fmt: skip
        return {
            "enabled": True, "host": "localhost", "port": self.port, "unit": "u1", "tls": self.tls,
            **(secret if self.tls else {}), **more,
        }  # fmt: skip

    def client(self, user: str = "") -> aiomqtt.Client:
        """Somebody else at the same broker."""
        tls = aiomqtt.TLSParameters(ca_certs=f"{self.folder}/ca.pem") if self.tls else None
        secret = SECRETS.get(user)
        return aiomqtt.Client(
            "localhost",
            self.port,
            username=user or None,
            password=secret,
            tls_params=tls,
            timeout=5,
        )


@contextmanager
def running(folder: Path, *, tls: bool) -> Iterator[Broker]:
    """A broker for a while."""
    needs_mosquitto()
    broker = Broker(folder, tls=tls)
    try:
        yield broker
    finally:
        broker.kill()


def _passwords(path: Path) -> None:
    path.write_text("".join(f"{user}:{secret}\n" for user, secret in SECRETS.items()))
    subprocess.run(["mosquitto_passwd", "-U", str(path)], check=True, capture_output=True)


def _certificates(folder: Path) -> None:
    """An authority of our own, and a certificate of it for localhost."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
            "-subj", "/CN=nmesd tests", "-addext", "keyUsage=critical,keyCertSign")  # fmt: skip
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr",
            "-subj", "/CN=localhost")  # fmt: skip
    (folder / "san").write_text("subjectAltName=DNS:localhost\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", "server.pem", "-days", "2", "-extfile", "san")  # fmt: skip
