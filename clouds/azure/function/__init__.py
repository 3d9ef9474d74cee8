"""What is shipped to Azure beside the core."""
