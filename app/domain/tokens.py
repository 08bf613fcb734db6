"""How many tokens a text takes, about, without any provider's tokenizer.

A quarter of a token for an ASCII character, 0.8 for a Chinese, Japanese or Korean one and for
emoji, 0.4 for any other. Against the tokenizers of GPT-4o, Llama 3, Qwen 3, Gemma 3 and Claude 2:
within 10 % for English prompts, up to 28 % too many for legal English, 24 % too few to 37 % too
many for Chinese, 28 % too few to 57 % too many for Cyrillic. Claude 2 takes up to three times the
estimate for Korean, Arabic, Hindi and emoji. One text of each kind was measured.
"""

import re

_UNITS = 20
"""Of one token; whole numbers add up to the same sum however a text is cut."""
_ASCII = 5
_WIDE = 16
_OTHER = 8
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_WIDE_CHARS = re.compile(
    "[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U0001f000-\U0003ffff]"
)


def token_units(text: str) -> int:
    """Twentieths of a token; those of two texts add up to those of the two joined."""
    if text.isascii():
        return len(text) * _ASCII
    others = _NOT_ASCII.findall(text)
    wide = len(_WIDE_CHARS.findall(text))
    return (len(text) - len(others)) * _ASCII + wide * _WIDE + (len(others) - wide) * _OTHER


def tokens_of(units: int) -> int:
    """Whole tokens, rounded up."""
    return -(-units // _UNITS)


def estimate_tokens(text: str) -> int:
    """An estimate of the text's tokens."""
    return tokens_of(token_units(text))
