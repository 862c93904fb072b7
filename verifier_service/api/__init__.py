"""The routes. Each module makes one router from what it is given; nothing is built at import."""
