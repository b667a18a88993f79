"""`python apps/loopback.py` is `q2d2-loopback`; see its --help."""

import sys

from q2d2_stream.cli.loopback import main

sys.exit(main())
