"""How much GPU memory a recipe needs."""
