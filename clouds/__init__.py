"""The clouds the counter runs on, and the commands for whoever owns one."""
