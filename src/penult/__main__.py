"""`python -m penult`."""

import sys

from penult.cli import main

sys.exit(main())
