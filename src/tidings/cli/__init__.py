"""The `tidings` command: one module per subcommand."""
