"""Events: written in the transaction of a change, published once, handled once and in order."""
