"""A sandboxed verifier for code and math answers, as a FastAPI service and as a command line."""

__version__ = "0.1.0"
