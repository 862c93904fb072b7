"""Find the answer, or the code, in a raw completion. One file for each kind of submission."""
