"""``python -m relay.cli``, where the program is not on the path."""

from relay.cli.main import main

if __name__ == "__main__":
    main()
