"""Projects: what owns boards and plugins, where there is no Keystone."""

from __future__ import annotations

from iotronic_mec.feature import Feature
from iotronic_mec.features.project.api import ROUTES
from iotronic_mec.features.project.commands import ProjectCommands
from iotronic_mec.features.project.policy import POLICIES

FEATURE = Feature(name="project", routes=ROUTES, policies=POLICIES, commands=ProjectCommands)
