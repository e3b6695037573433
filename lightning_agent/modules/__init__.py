"""What the board can do, one file for each module; see :mod:`modules.base` to write one."""
