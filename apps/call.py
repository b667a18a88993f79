"""`python apps/call.py` is `q2d2-call`; see its --help."""

import sys

from q2d2_stream.cli.call import main

sys.exit(main())
