"""Cross-package ABI conflict detection for Python wheels."""

__version__ = "0.1.0"
