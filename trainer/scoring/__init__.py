"""What a verifier makes of data: pass rates of problems, stored completions judged again, own answers audited."""
