"""Phone numbers: whatever a person types becomes one E.164 text, or is refused."""

import unicodedata

import phonenumbers

from tidings.contracts.errors import invalid


def normalise(text: str) -> str:
    """E.164 of an international number; `00` counts as `+`, digits of any script as digits.

    Raises ApiError `invalid_request`, also for a number with an extension: no message reaches one.
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    if len(plain) > 32:
        raise invalid("phone", "too long")
    if plain.startswith("00"):
        plain = "+" + plain[2:]
    try:
        number = phonenumbers.parse(plain)
    except phonenumbers.NumberParseException:
        raise invalid("phone", "must be an international number such as +14155550100") from None
    if number.extension:
        raise invalid("phone", "must not have an extension")
    if not phonenumbers.is_possible_number(number) or any(c.isalpha() for c in plain):
        raise invalid("phone", "is no phone number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
