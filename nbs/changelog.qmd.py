"""---
title: Changelog
description: What changed, for whoever uses the package.
toc: false
---"""

import sys

from nbdev.config import get_config

sys.path.insert(0, str(get_config().config_path))
from tools.pages import changelog

print(changelog())
