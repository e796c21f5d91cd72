"""The checks, a file each; every file here is found and run.

A file has one function under ``@check(title, symptom=…)``, or a few that belong together. It reads through
the ``Platform`` it is given and yields ``passed``, ``failed`` or ``not_checked``; an AWS error or a missing
stack needs no handling.
"""
