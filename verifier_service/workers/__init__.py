"""Worker processes that can be killed at any time: `pool` feeds them, `forkserver` creates them."""
