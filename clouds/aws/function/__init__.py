"""What is shipped to AWS beside the core."""
