"""Environment and ``banneton.yaml`` to frozen settings, read once."""
