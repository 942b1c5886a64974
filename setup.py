"""Reads everything from settings.ini, the one place where the project describes itself."""

from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
config = ConfigParser(delimiters=["="])
config.read(ROOT / "settings.ini", encoding="utf-8")
settings = config["DEFAULT"]
EXTRAS = ("train", "serve", "trace", "demo", "eval", "llama", "int8", "privacy")
EXTRAS += ("scale", "ray_serve", "gpu", "dev")


def requirements(key: str) -> list[str]:
    return [line.strip() for line in settings[key].splitlines() if line.strip()]


extras = {name: requirements(f"{name}_requirements") for name in EXTRAS}
extras["demo"] += extras["serve"]  # what it asks is the server's
extras["all"] = sorted({r for name, rs in extras.items() if name != "gpu" for r in rs})

setup(
    name=settings["lib_name"],
    version=settings["version"],
    description=settings["description"],
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author=settings["author"],
    author_email=settings["author_email"],
    url=settings["git_url"],
    license="Apache-2.0",
    keywords=settings["keywords"],
    packages=find_packages(include=["liquid_ai*"]),
    package_data={"liquid_ai": ["data/*.jsonl", "data/*.json.gz", "data/*.md", "data/*_LICENSE", "py.typed"]},
    python_requires=f">={settings['min_python']}",
    install_requires=requirements("requirements"),
    extras_require=extras,
    entry_points={
        "console_scripts": requirements("console_scripts"),
        "nbdev": [f"{settings['lib_name']}={settings['lib_path']}._modidx:d"],
    },
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
    ],
    zip_safe=False,
)
