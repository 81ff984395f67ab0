"""`python -m noda_synth` is the console script `noda-synth`."""

from noda_synth.cli import main

main()
