"""The list of packages, which setup.cfg cannot state; all else stands there.

``packages = find:`` does not take further names, and the migrations in
``alembic/`` are shipped as ``iotronic_mec.migrations``: installed under their
own name they would be mixed into the alembic library's folder.
"""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["iotronic_mec", "iotronic_mec.*"]),
        *find_packages(include=["lightning_agent", "lightning_agent.*"]),
        "iotronic_mec.migrations",
        "iotronic_mec.migrations.versions",
    ]
)
