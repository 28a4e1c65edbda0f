"""What `tools/fuzz.py` draws, calls and checks: a module for each subject."""
