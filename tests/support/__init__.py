"""What tests share: running systems, and waiting for conditions."""
