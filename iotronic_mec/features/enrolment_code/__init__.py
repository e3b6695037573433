"""Enrolment codes: one-time secrets by which a board's first key is accepted."""

from __future__ import annotations

from iotronic_mec.feature import Feature

FEATURE = Feature(name="enrolment_code")
