"""What is shipped to Oracle Cloud beside the core."""
