"""What watches the other stages: partitions that are missing, data that is old, and alerts."""
