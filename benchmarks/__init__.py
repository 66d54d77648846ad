"""What talkwire costs, beside what else there is: `python -m benchmarks --help`.

Not tests: everything compared runs in one process, in equal rounds, and the answer is a table.
"""
