"""Speech emotion recognition that works on speakers it has never heard."""

__version__ = "0.1.0.dev0"
