"""The judge of math: extract an answer and compare it with the references, in worker processes."""
