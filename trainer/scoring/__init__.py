"""Examine data with the verifier: pass rates of problems, stored completions judged again, audits of own answers."""
