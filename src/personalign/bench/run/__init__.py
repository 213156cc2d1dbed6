"""Runs: one TOML says what is measured; raw rows are kept, spread, taken up again, and reported.

spec.py       RunSpec: the TOML, checked, with messages that name the key and the line
plan.py       the units of work a run consists of: a method, a seed, some people
workbench.py  one process's model and methods, and how a unit is done
executors.py  where units are done: here, in local processes
on_ray.py     the same on a Ray cluster
folder.py     a run's folder: its lock, its facts, its raw rows
run.py        run_bench: what is missing, done and stored
"""
