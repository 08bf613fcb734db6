"""How the tables came to be, step by step. Run at start, by ``app.ledger.migrate``."""
