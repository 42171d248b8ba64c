"""Assets: data products, their versions, and the contracts that they are published under."""
