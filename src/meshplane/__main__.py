"""`python -m meshplane` is `meshplane`."""

from meshplane.cli.app import main

if __name__ == "__main__":
    main()
