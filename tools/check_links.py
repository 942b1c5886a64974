"""Checks a built site: internal links lead to a file of the site, and their #fragments to an id in it."""

import sys
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lxml import html


def check(site: Path) -> list[str]:
    "What is wrong with the site in folder `site`, a line for each fault; other sites are not visited."
    pages = {path.resolve(): html.parse(path).getroot() for path in sorted(site.rglob("*.html"))}
    ids = {path: Counter(root.xpath("//@id")) for path, root in pages.items()}
    faults = [] if pages else [f"{site}: no pages"]
    for path, root in pages.items():
        page = path.relative_to(site.resolve())
        faults += [f"{page}: id {name} stands {n} times" for name, n in ids[path].items() if n > 1]
        faults += [] if (root.findtext(".//title") or "").strip() else [f"{page}: no title"]
        for link in dict.fromkeys(root.xpath("//@href | //@src")):
            url = urlsplit(link)
            if url.scheme or url.netloc or link == "#":  # a lone # is the handle of a menu
                continue
            target = path if not url.path else Path(f"{path.parent}/{unquote(url.path)}").resolve()
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file() or site.resolve() not in target.parents:
                faults.append(f"{page}: {link} leads nowhere")
            elif url.fragment and target in ids and unquote(url.fragment) not in ids[target]:
                faults.append(f"{page}: {link} has no such anchor")
    return faults


if __name__ == "__main__":
    found = check(Path(sys.argv[1] if len(sys.argv) > 1 else "_docs"))
    sys.exit("\n".join(found) or 0)
