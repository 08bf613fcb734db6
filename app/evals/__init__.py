"""What people expect of their files, run."""
