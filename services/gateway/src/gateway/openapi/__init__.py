"""The OpenAPI 3.1 description of the contract, made from its descriptors."""
