"""---
title: Papers and standards
description: Which function follows which paper, standard or format.
---"""

import sys

from nbdev.config import get_config

sys.path.insert(0, str(get_config().config_path))
from tools.pages import papers

print(papers())
