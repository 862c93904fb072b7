"""What turns the code and `docs/` into the manual: generated pages, figures, pictures and the site itself."""
