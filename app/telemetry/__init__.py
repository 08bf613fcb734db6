"""The only room that knows Prometheus."""
