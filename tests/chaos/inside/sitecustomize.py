"""Loaded by Python itself in every service of a chaos run, whose PYTHONPATH names this folder.

Nothing of this is part of the product: it lets a run set the clock of a service, and put known bugs into it.
"""

import os
import sys

_service = next((name for name in sys.orig_argv if name.startswith("tidings.") and "cli" not in name), None)

if _service and os.environ.get("TIDINGS_INSTANCE"):
    import bugs
    import clock

    clock.install(os.environ.get("TIDINGS_TEST_CLOCKS", ""), os.environ["TIDINGS_INSTANCE"], _service)
    bugs.install(os.environ.get("TIDINGS_TEST_BUGS", ""), _service)
