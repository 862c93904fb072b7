"""Find the program or the math answer in a raw completion: `code` for programs, `math` for answers."""
