"""Letters as signals: Morse."""

from __future__ import annotations

import re

from sidecar.inspection.decoders.decoder import Replacer, Rewritten, substitute

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,?'!/()&:;=+-_\"$@"
_SIGNS = """
    .- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --..
    ----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----.
    .-.-.- --..-- ..--.. .----. -.-.-- -..-. -.--. -.--.- .-... ---... -.-.-. -...- .-.-. -....- ..--.- .-..-. ...-..-
    .--.-.
"""
_CODES = dict(zip(_SIGNS.split(), _LETTERS, strict=True))
_MORSE = re.compile(r"(?<![.\-_/])[.\-_]{1,7}(?:[ ]{1,8}[/|]?[ ]{0,4}[.\-_]{1,7}|[/|\n]{1,2}[.\-_]{1,7}){5,}")
_WORDS = re.compile(r" {2,}| ?[/|\n]+ ?")


def _morse(text: str) -> Rewritten | None:
    def decode(match: re.Match[str]) -> str | None:
        words = [word.split() for word in _WORDS.split(match[0].replace("_", "-"))]
        letters = [[_CODES.get(code) for code in word] for word in words]
        flat = [letter for word in letters for letter in word]
        if flat.count(None) * 5 > len(flat) or len(set(flat)) < 4:
            return None
        if len(words) > len(flat) // 2:  # every letter stood alone: `/` separates letters, not words
            return " " + "".join(letter or "" for letter in flat) + " "
        return " " + " ".join("".join(letter or "" for letter in word) for word in letters) + " "

    return substitute(_MORSE, decode, text)


SIGNALS = (Replacer("morse", (r"(?:[.\-_]{1,7}[ /|\n]{1,3}){6}",), _morse),)
