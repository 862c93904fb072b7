"""Submissions whose verdict is known.

While one of them gets a different verdict, nothing is judged in the way it checks. `known` lists them, `watch` judges
them again and again, and `gate` holds submissions back from the judges.
"""
