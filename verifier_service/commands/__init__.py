"""The commands other than `serve`."""
