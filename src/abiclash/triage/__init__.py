"""From the text of a crash or of a failed import to its likely causes."""
