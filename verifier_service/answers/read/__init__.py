"""Turn the text of an answer into everything it can mean. The entry point is `reading.read`.

`clean` normalizes the spelling, `tokens` splits it, `grammar` builds the tree. `choice`, `clock` and `text` read what
is not a formula, and `words` is the vocabulary. Nothing here compares anything.
"""
