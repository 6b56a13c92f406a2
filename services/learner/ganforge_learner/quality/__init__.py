"""How good a generator is, as numbers: figures, the judge they stand on, the process they run in.

Nothing here downloads weights, and nothing here runs in the trainer.
"""
