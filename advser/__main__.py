"""Let `python -m advser` be the `advser` command."""

import sys

from .cli import main

sys.exit(main())
