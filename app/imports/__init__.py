"""What people wrote for other tools, read as content of ours. Nothing of it is executed."""
