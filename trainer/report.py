def write(folder, console):
    console.print(folder)
