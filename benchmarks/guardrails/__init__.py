"""Fits the learned detectors, and measures all of them on labelled data."""
