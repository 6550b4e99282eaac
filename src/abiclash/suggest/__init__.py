"""The smallest change that makes packages go together: an import order, or neighbouring versions.

Every suggestion was played like a scan of its own; nothing is suggested that the model did not find clean.
"""
