"""Product metrics: one definition each, on cases and on live records, and what their moves mean."""
