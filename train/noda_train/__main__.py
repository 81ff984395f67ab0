"""`noda-train`."""

from noda_train.cli import main

if __name__ == "__main__":
    main()
