"""Write every generated page of the reference, and the OpenAPI document."""

from manual.reference.pages import write

if __name__ == "__main__":
    write()
