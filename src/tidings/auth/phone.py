"""Phone numbers: one account per number, however it is written."""

import unicodedata

import phonenumbers

from tidings.contracts.errors import invalid


def e164(text: str) -> str:
    """The number in E.164. Raises ApiError `invalid_request` for what is no full international number."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if len(plain) > 32:
        raise invalid("phone", "too long")
    if plain.startswith("00"):
        plain = "+" + plain[2:]
    try:
        number = phonenumbers.parse(plain, None)
    except phonenumbers.NumberParseException:
        raise invalid("phone", "must be an international number such as +4915112345678") from None
    if number.extension or not phonenumbers.is_possible_number(number):
        raise invalid("phone", "must be an international number without extension")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
