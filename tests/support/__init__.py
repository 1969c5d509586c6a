"""What the tests of several packages share: factories (`make`, `samples`), virtual time, loopback servers."""
