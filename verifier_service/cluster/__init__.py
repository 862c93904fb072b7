"""Judging on several machines: the front of a cluster splits a batch into parts, and nodes judge them.

`parts` splits batches, `wire` has the message types, `remote` is the judge in the front, and `node` judges on a node.
They do not depend on the transport between front and nodes; `ray_app` provides it with Ray Serve.
"""
