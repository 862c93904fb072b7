"""What a recipe needs of a GPU's memory."""
