"""`python -m simulations.demo`."""

from simulations.demo.play import main

if __name__ == "__main__":
    main()
