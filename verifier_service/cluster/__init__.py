"""Judging on other machines: the front of a cluster cuts a batch into parts, and nodes judge them.

`parts` says how a batch is cut, `wire` what travels, `remote` is the judge at the front and `node` what judges at the
other end. None of them knows what carries a part to a node: `ray_app` has it done by Ray Serve.
"""
