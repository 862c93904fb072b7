"""The data of an answer that was read: the nodes of its tree, and the limits for every tree."""
