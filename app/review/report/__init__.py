"""A plan as people and machines read it: one page, and a module for each format."""
