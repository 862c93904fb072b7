"""Submissions whose verdict is known. Where one gets another verdict, nothing is judged until it gets the right one.

`known` lists them, `watch` judges them again and again, and `gate` holds submissions back from the judges.
"""
