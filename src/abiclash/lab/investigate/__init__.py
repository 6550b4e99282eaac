"""Finding out why a program crashes: reproduce, compare with what works, change exactly one thing, run again."""
