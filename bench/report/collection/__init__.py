"""The README of a results folder."""
