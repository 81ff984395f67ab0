"""`python -m noda_train` is the console script `noda-train`."""

from noda_train.cli import main

if __name__ == "__main__":
    main(prog_name="noda-train")
