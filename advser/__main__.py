"""Let `python -m advser` be the `advser` command."""

import sys

from .cli._main import main

sys.exit(main())
