"Widgets in a real JupyterLab and a real browser: sliders, labels, and what is left when the kernel is gone."

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import nbformat
import pytest
from browser import chromium
from conftest import NOTEBOOKS, ROOT
from nbformat.v4 import new_code_cell, new_notebook

from liquid_ai.evaluation.ranking import Qrels

SETUP = """
from liquid_ai import RAG, Document
from liquid_ai.demo.widgets import explore, judge, read_judgements

rag = RAG.open("store", generator="packaged", device="cpu", top_k=3)
texts = {
    "herons.txt": "Grey herons eat fish and frogs. They stand still for hours.",
    "bridge.txt": "The iron bridge was built by Abraham Darby in 1779.",
    "canteen.txt": "On Fridays the canteen has fish. It opens at eleven.",
    "frogs.txt": "What amphibians feed on depends on their age: tadpoles graze, adults catch insects.",
}
rag.ingest(*(Document.of(text, name) for name, text in texts.items()), progress=False)
"""
CELLS = [
    SETUP,
    'explore(rag, "What do frogs eat?")',
    'judge(rag, {"q1": "What do frogs eat?"}, "labels.jsonl", depth=2, by="ann")',
]
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


@contextmanager
def jupyter(folder: Path):
    "JupyterLab over `folder`, on a port of its own, with the kernel of this environment; its address."
    home = folder / ".home"
    home.mkdir(exist_ok=True)
    env = os.environ | {"PYTHONPATH": str(ROOT), "JUPYTER_CONFIG_DIR": str(home), "IPYTHONDIR": str(home)}
    env |= {"JUPYTER_RUNTIME_DIR": str(home / "runtime"), "JUPYTERLAB_WORKSPACES_DIR": str(home / "spaces")}
    env |= {"JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "OMP_NUM_THREADS": "1"}
    options = ["--no-browser", "--port=0", "--ip=127.0.0.1", "--ServerApp.token=", "--ServerApp.password="]
    options += ["--ServerApp.disable_check_xsrf=True", "--allow-root", f"--notebook-dir={folder}"]
    options += ["--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    log = (home / "log").open("w+")
    server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *options], env=env, stdout=log, stderr=log)
    try:
        until, found = time.monotonic() + 60, None
        while not found:
            assert server.poll() is None and time.monotonic() < until, Path(log.name).read_text()[-3_000:]
            time.sleep(0.1)
            found = re.search(r"http://127\.0\.0\.1:\d+", Path(log.name).read_text())
        yield found[0]
    finally:
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()
        log.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    notebook = new_notebook(cells=[new_code_cell(c.strip()) for c in CELLS], metadata=KERNEL)
    nbformat.write(notebook, folder / "work.ipynb")
    with jupyter(folder) as url:
        yield folder, url


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


def opened(browser, url):
    page = browser.new_page(viewport={"width": 1300, "height": 1500})
    page.set_default_timeout(60_000)
    page.goto(f"{url}/lab/tree/work.ipynb?reset")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()
    return page


def command(url, path, **body):
    return httpx.request(body.pop("method", "GET"), f"{url}/api/{path}", timeout=30, **body)


def saved(folder):
    "The notebook in its file, which is empty while Jupyter writes it."

    def whole():
        with contextlib.suppress(ValueError):
            return json.loads((folder / "work.ipynb").read_text())

    return waited(whole)


def waited(true, seconds=30.0):
    end = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def test_explore_and_judge_in_jupyterlab(lab, browser):
    folder, url = lab
    page = opened(browser, url)
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    explorer, labels = (page.locator(".jp-Cell").nth(n).locator(".jp-OutputArea") for n in (1, 2))
    table = explorer.locator(".widget-html table")
    table.wait_for()

    # what stands still is there for later, and not to be seen now
    still = explorer.locator("[class$=-still]")
    assert still.count() == 1 and not still.is_visible()

    # the slider moves, and the hits change
    before = table.inner_text()
    assert table.locator("tbody tr").count() == 3
    handle = explorer.locator(".widget-hslider", has_text="top k").locator(".noUi-handle")
    handle.focus()
    handle.press("ArrowRight")
    table.locator("tbody tr").nth(3).wait_for()
    explorer.get_by_role("button", name="sparse").click()
    waited(lambda: table.inner_text() != before and "dense" not in table.inner_text())
    assert "sparse" in table.inner_text() and "dense" not in table.locator("thead").inner_text()

    # a label, by button and by key, is in the file at once
    file = folder / "labels.jsonl"
    labels.get_by_role("button", name="2 relevant").click()
    rows = lambda: [json.loads(line) for line in file.read_text().splitlines() if 'grade"' in line]  # noqa: E731
    assert waited(lambda: [r["grade"] for r in rows()] == [2])
    keys = labels.get_by_placeholder(re.compile("Backspace"))
    keys.press("0")
    assert waited(lambda: [r["grade"] for r in rows()] == [2, 0])
    keys.press("Backspace")
    assert waited(lambda: [r["grade"] for r in rows()] == [2, 0, None])
    assert Qrels({"q1": {rows()[0]["document"]: 2}}, "ann").grades and rows()[0]["by"] == "ann"

    # saved, it holds what was last to be seen
    assert waited(lambda: "1 of 2" in labels.locator("[class$=-still]").text_content())
    assert waited(lambda: "top_k=4" in still.text_content())
    page.locator("[data-jp-item-name=save] button, [data-jp-item-name=save] jp-button").first.click()
    assert waited(lambda: "1 of" in json.dumps(saved(folder)["cells"][2]["outputs"]))
    outputs = saved(folder)["cells"][1]["outputs"]
    stored = "".join(outputs[1]["data"]["text/html"])
    assert "top_k=4" in stored and "mode=&#x27;sparse&#x27;" in stored
    found = table.locator("tbody tr").count()
    page.close()

    # and opened again, without its kernel, that is shown in its place
    for kernel in command(url, "sessions").json():
        command(url, f"sessions/{kernel['id']}", method="DELETE")
    page = opened(browser, url)
    still = page.locator(".jp-Cell").nth(1).locator("[class$=-still] table")
    still.wait_for()
    assert still.is_visible() and still.locator("tbody tr").count() == found > 0
    assert not page.get_by_text("model not found").first.is_visible()
    page.close()


def test_notebooks_ask_for_the_kernel_that_make_lab_installs():
    recipe = (ROOT / "Makefile").read_text().partition("\nlab:")[2].partition("\n\n")[0]
    assert "ipykernel install --prefix .venv --name python3 " in recipe and "jupyter lab" in recipe
    for path in NOTEBOOKS:
        assert json.loads(path.read_text())["metadata"]["kernelspec"]["name"] == "python3", path


def test_kernel_of_this_environment_is_the_one_that_is_found(tmp_path):
    run = [sys.executable, "-m", "ipykernel", "install", "--prefix", str(tmp_path), "--name", "python3"]
    subprocess.run(run, check=True, capture_output=True)
    spec = json.loads((tmp_path / "share/jupyter/kernels/python3/kernel.json").read_text())
    assert Path(spec["argv"][0]).resolve() == Path(sys.executable).resolve()
