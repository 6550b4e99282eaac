"""The collision graph: packages, objects, host libraries and causes, and what ties them together.

`build.graph_of` makes it from a scan, `narrow` cuts it down, `questions` answers what users ask of it.
"""
