"""Worker processes that can be killed: `pool` feeds them, `forkserver` makes them."""
