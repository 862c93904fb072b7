"""Submissions whose verdict is known. Where they come to another one, nobody else's are judged until they do not.

`known` lists them, `watch` judges them again and again, and `gate` stands in front of the judges.
"""
