"""From the text of an answer to everything it may mean: `reading.read` is the door.

`clean` brings it into one spelling, `tokens` cuts it, `grammar` builds the tree; `choice`, `clock` and `text` read what
is no formula; `words` is the vocabulary. Nothing here compares anything.
"""
