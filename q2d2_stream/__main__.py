"""``python -m q2d2_stream`` is ``q2d2``."""

import sys

from q2d2_stream.cli.main import main

sys.exit(main())
