"""Banneton: the last mile between a model and a product."""

__version__ = "0.1.0"
