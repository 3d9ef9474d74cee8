"""What stands in for Oracle Cloud on a laptop."""
