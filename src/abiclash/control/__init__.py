"""The user's say over findings: what to show, what is accepted for now, what is known already, what fails a run.

Rules state; nothing here changes a finding or a verdict. `view.View` is a scan's findings as they are to be shown and
counted.
"""
