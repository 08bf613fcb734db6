"""Names of people, places and organisations; imported by the names detector alone."""
