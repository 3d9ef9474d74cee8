"""A run with every fault at once, and the check that every visit was counted exactly once."""
