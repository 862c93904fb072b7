"""Clients and their keys."""
