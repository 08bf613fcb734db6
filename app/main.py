"""``create_app(settings)``: the only place where parts meet."""
