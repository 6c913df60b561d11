"""What the inventory can do: `ls` is the list of its abilities."""
