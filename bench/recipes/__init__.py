"""Recipes for continuous integration, to copy; `freezebench gate recipe NAME` prints one."""
