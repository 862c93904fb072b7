"""Values of trees: exact fractions and high precision (`numeric`), and what sympy is needed for (`algebra`)."""
