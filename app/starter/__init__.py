"""What a new project or a new persona is made of. Writes nothing itself."""
