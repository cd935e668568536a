"""Loaded by Python itself in every service of a chaos run, whose PYTHONPATH names this folder.

Nothing of this is part of the product: it lets a run break what leads to other services, set the clock of a service,
and put known bugs into it.
"""

import json
import os
import sys

_service = next((name for name in sys.orig_argv if name.startswith("tidings.") and "cli" not in name), None)

if _service and os.environ.get("TIDINGS_INSTANCE"):
    import bugs
    import clock

    for _name, _ports in json.loads(os.environ.get("TIDINGS_TEST_LINKS", "{}")).items():
        os.environ[f"TIDINGS_{_name.upper()}_GRPC"] = ",".join(f"127.0.0.1:{port}" for port in _ports)
    clock.install(os.environ.get("TIDINGS_TEST_CLOCKS", ""), os.environ["TIDINGS_INSTANCE"], _service)
    bugs.install(os.environ.get("TIDINGS_TEST_BUGS", ""), _service)
