"""Checks of the input: arrays, parameters, paths and devices."""
