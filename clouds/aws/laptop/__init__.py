"""What stands in for AWS on a laptop."""
