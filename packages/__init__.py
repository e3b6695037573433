"""Builds what is handed out: the wheel, the sdist, and the Debian package of the agent.

``python -m packages FOLDER`` writes all three; ``tox -e packages`` also tests them by installing.
The same checkout gives the same bytes: times come from ``SOURCE_DATE_EPOCH`` or, without it, from
the last commit.
"""
