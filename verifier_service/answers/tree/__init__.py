"""What an answer is read into: the nodes, and the limits that every tree is held to."""
