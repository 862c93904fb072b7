"""The interface to TRL: its names, its arguments, and our subclasses of its trainer."""
