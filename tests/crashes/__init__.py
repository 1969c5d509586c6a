"""The real program, killed at random moments under load, and the account of what came of it.

python -m tests.crashes --kills 200 --seed 1
"""
