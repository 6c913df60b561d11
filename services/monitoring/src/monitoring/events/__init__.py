"""What monitoring hears of other services."""
