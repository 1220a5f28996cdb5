"""The package's version, for setup.py and for run.json."""

__version__ = "0.1.0"
