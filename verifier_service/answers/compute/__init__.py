"""Compute values of trees: exact fractions, high precision (`numeric`), and what needs sympy (`algebra`)."""
