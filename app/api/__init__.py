"""Wire formats on the client side: bytes to conversation, events to bytes."""
