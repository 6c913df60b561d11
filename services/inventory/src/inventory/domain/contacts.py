"""What may be shown of a contact: enough to recognise it, too little to use it."""

SHOWN_DIGITS = 3


def masked_name(name: str) -> str:
    """Return `B*** S***` for `Budi Santoso`."""
    return " ".join(f"{word[0]}***" for word in name.split())


def masked_phone(phone: str) -> str:
    """Return the last three digits behind as many stars as there are other digits."""
    digits = [sign for sign in phone if sign.isdigit()]
    hidden = max(len(digits) - SHOWN_DIGITS, 0)
    return "*" * hidden + "".join(digits[hidden:]) if hidden else "*" * len(digits)


def masked_email(email: str) -> str:
    """Return `b***@paserkab.go.id` for `budi@paserkab.go.id`."""
    person, at, host = email.partition("@")
    return f"{person[:1]}***{at}{host}" if person else ""
