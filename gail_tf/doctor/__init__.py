"""What is wrong with a run: small checks of what it wrote, in the order of docs/troubleshooting.md."""
