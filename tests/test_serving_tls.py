"""TLS by certificate files, and alerts that see questions leave their topics."""

import datetime
import ipaddress
import os
import socket
import ssl
import subprocess
import sys
import time
from contextlib import suppress

import httpx
import pytest
from conftest import ROOT
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from served import SMALL, Local, Slow, opened, served, service_in

from liquid_ai import Document
from liquid_ai.core import InputError
from liquid_ai.serving.options import ServerSettings, check_options
from liquid_ai.serving.service import watch_drift


def certificate(folder) -> tuple[str, str]:
    "Files of a self-signed certificate for 127.0.0.1, and of its key."
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    return str(folder / "cert.pem"), str(folder / "key.pem")


def test_certificate_files_make_it_tls(tmp_path):
    opened(tmp_path / "store").close()
    cert, key = certificate(tmp_path)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, "-c", "from liquid_ai.cli import main; raise SystemExit(main())", "serve"]
    command += ["--store", str(tmp_path / "store"), "--port", str(port), "--log", str(tmp_path / "log")]
    command += ["--certificate", cert, "--private-key", key]
    chosen = {f"LIQUID_AI_{k.upper()}": str(v) for k, v in SMALL.items()}
    env = os.environ | chosen | {"PYTHONPATH": str(ROOT), "LIQUID_AI_SERVE_MODEL_PROCESS": "false"}
    server = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert f"https://127.0.0.1:{port}" in server.stdout.readline()
        trusting = ssl.create_default_context(cafile=cert)
        with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=trusting, timeout=60) as client:
            end = time.monotonic() + 60
            while time.monotonic() < end:
                with suppress(httpx.ConnectError):
                    r = client.get("/health/live")
                    break
                time.sleep(0.1)
            assert r.status_code == 200 and "max-age" in r.headers["strict-transport-security"]
            found = client.post("/search", json={"question": "What do grey herons eat?"})
            assert found.json()["passages"]
        with pytest.raises(httpx.ConnectError):  # a stranger's certificate is not trusted
            httpx.get(f"https://127.0.0.1:{port}/health/live", timeout=60)
        with pytest.raises(httpx.TransportError):  # nothing is said in the clear
            httpx.get(f"http://127.0.0.1:{port}/health/live", timeout=60)
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port), 5) as s:
            old.wrap_socket(s)
    finally:
        server.terminate()
        assert server.wait(30) == 0


def test_a_certificate_without_its_key_is_refused_before_anything_starts(tmp_path):
    cert, key = certificate(tmp_path)
    for wrong in (
        {"certificate": cert},
        {"private_key": key},
        {"certificate": "none.pem", "private_key": key},
    ):
        with pytest.raises(InputError):
            check_options(ServerSettings(**wrong))


BIRDS, BRIDGES = ("heron", "owl", "stork", "wren"), ("arch", "iron", "rope", "stone")


@pytest.mark.slow
def test_alerts_see_questions_leave_their_topics(tmp_path):
    texts = [
        f"The {a} number {n} {w} at dawn near the {p}."
        for n, (a, w, p) in enumerate(
            (a, w, p)
            for a in BIRDS
            for w in ("eats", "sleeps", "calls", "nests")
            for p in ("lake", "wood", "field", "sea")
        )
    ]
    texts += [
        f"The {a} bridge number {n} {w} the {p}."
        for n, (a, w, p) in enumerate(
            (a, w, p)
            for a in BRIDGES
            for w in ("spans", "crosses", "carries a road over", "was built over")
            for p in (
                "river",
                "gorge",
                "valley",
                "railway",
                "harbour",
                "canal",
                "bay",
                "stream",
                "street",
                "marsh",
            )
        )
    ]
    documents = [Document.of(text, f"{n}.txt") for n, text in enumerate(texts)]
    rag = opened(tmp_path / "store", Slow(), documents, limit_requests=100_000, answer_cache="none")
    app = served(rag, alerts=True, feedback="none")
    service = service_in(app)
    watch_drift(service)
    assert service.drifts and len(service.alerts.detectors) == 4
    service.alerts.events, service.alerts.cool_down = 20, 0.0
    service.alerts.sinks.clear()
    with Local(app) as client:

        def ask(n: int, about: str) -> None:
            said = client.post(
                "/ask/simple", json={"question": f"What does the {about} number {n} do at dawn?"}
            )
            assert said.status_code == 200

        for n in range(420):
            ask(n, BIRDS[n % 4])
        service.tell()
        assert service.alerts.wait()
        before = [a for a in service.alerts.raised if a.kind == "drift"]
        for n in range(240):
            ask(n, f"{BRIDGES[n % 4]} bridge over the river")
        service.tell()
        assert service.alerts.wait()
    drifted = [a for a in service.alerts.raised if a.kind == "drift"]
    assert not before and drifted
