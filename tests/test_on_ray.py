"""The server as replicas of Ray Serve: all its layers, a stream, a store that is not there."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT
from served import opened
from test_serving_workers import free_port

from liquid_ai.core import InputError, Settings, StoreError
from liquid_ai.serving.on_ray import on_ray
from liquid_ai.serving.options import ServerSettings

pytest.importorskip("ray.serve", reason="ray[serve] is not installed")

# in a process of its own, for Ray leaves threads and handlers of signals behind
SCRIPT = """
import json, sys
import httpx, ray
from ray import serve
from liquid_ai.core import Settings
from liquid_ai.serving.on_ray import on_ray
from liquid_ai.serving.options import ServerSettings

folder, port = sys.argv[1], int(sys.argv[2])
ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
options = ServerSettings(store=folder, port=port, log="", hosts="localhost,127.0.0.1", model_process=False)
settings = Settings(generator="packaged", answer_tokens=8, device="cpu", threads=1)
on_ray(options, settings, replicas=(1, 1))
http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120)
question = {"question": "When was the iron bridge built?"}
first, second = (http.post("/ask", json=question) for _ in range(2))
with http.stream("POST", "/ask/stream", json=question) as live:
    events = [line for line in live.iter_lines() if line.startswith("event")]
told = {
    "answer": first.json()["answer"],
    "caches": [r.headers["x-cache"] for r in (first, second)],
    "left": [int(r.headers["x-ratelimit-remaining"]) for r in (first, second)],
    "last": events[-1],
    "invalid": [(r := http.post("/ask", json={})).status_code, r.headers["content-type"]],
    "host": http.get("/status", headers={"host": "elsewhere.example"}).status_code,
    "ready": http.get("/health/ready").json(),
}
print("FOUND", json.dumps(told))
serve.shutdown()
ray.shutdown()
"""


@pytest.mark.slow
def test_a_replica_of_ray_is_the_whole_server(tmp_path):
    opened(tmp_path / "store").close()
    port = free_port()
    env = os.environ | {"PYTHONPATH": str(ROOT), "RAY_raylet_start_wait_time_s": "180"}
    run = [sys.executable, "-c", SCRIPT, str(tmp_path / "store"), str(port)]
    done = subprocess.run(run, env=env, capture_output=True, text=True, timeout=480)
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    told = json.loads(done.stdout.partition("FOUND ")[2].splitlines()[0])
    assert "1779" in told["answer"] and told["caches"] == ["MISS", "HIT"] and told["left"] == [99, 98]
    assert told["last"] == "event: answer" and told["ready"] == {"ready": True, "reason": ""}
    assert told["invalid"] == [422, "application/problem+json"] and told["host"] == 400


def test_what_cannot_be_served_is_refused_before_ray_starts(tmp_path):
    settings = Settings(generator="packaged")
    with pytest.raises(StoreError, match="no store"):
        on_ray(ServerSettings(store=str(tmp_path / "none")), settings)
    with pytest.raises(InputError, match="can be reached by others"):
        on_ray(ServerSettings(store=str(tmp_path), host="0.0.0.0"), settings)
    with pytest.raises(InputError, match="smaller one first"):
        on_ray(ServerSettings(store=str(tmp_path)), settings, replicas=(2, 1))
    with pytest.raises(InputError, match="put TLS before it"):
        on_ray(ServerSettings(store=str(tmp_path), host="unix:/tmp/x"), settings)
    import ray

    assert not ray.is_initialized()
