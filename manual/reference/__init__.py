"""The reference pages of the manual that are written from the code: `python -m manual.reference`, or `make reference`.

Each page is a function that returns its Markdown; `PAGES` has them by their place under docs/.
"""
