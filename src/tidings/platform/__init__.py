"""What every service needs and none owns: settings, logs, metrics, traces, servers, stores, events."""

import os

# gRPC would say at each child process that it leaves its fork handlers out, between the JSON lines of the log. Ours
# replace themselves at once and need none. It is read when gRPC is first imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
