"""What every service needs and none owns: settings, logs, metrics, traces, servers, stores, events."""
