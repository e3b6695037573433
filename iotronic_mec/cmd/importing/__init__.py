"""``iotronic-mec db import-iotronic URL``: the records of an IoTronic cloud.

A dry run unless ``--apply`` is given: it does everything and takes it back.
All records come in one transaction; a second import finds what is there and
changes nothing. IoTronic's users and projects are named by uuid; ``--project``
and ``--user-project`` say what they are called here.
"""
