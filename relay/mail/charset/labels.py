"""Map the charset labels of mail to Python codecs (WHATWG Encoding Standard §4.2).

A label is compared by its letters and digits only, so ``ISO_8859-1:1987``, ``iso8859-1`` and
``"ISO 8859-1"`` are the same. Vendor spellings with a code page number follow one rule; the tables
hold what no rule gives. As in the standard, a label means the superset that mail programs write.
"""

import re
from encodings.aliases import aliases
from functools import lru_cache
from typing import Final

_MAX_LABEL: Final = 64

# Only names in this set are passed to Python's codec lookup, which caches each unknown name for ever.
# Excluded are codecs that are not character sets, and two whose cost is quadratic in the input.
# The table of aliases lacks the codecs that have none.
_KNOWN: Final = (
    frozenset(aliases) | frozenset(aliases.values())
    | {"cp720", "cp737", "cp856", "cp874", "koi8_t", "koi8_u"}
    | {"mac_arabic", "mac_croatian", "mac_farsi", "mac_romanian"}
) - {
    "base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec", "mbcs", "oem",
    "base64", "base_64", "bz2", "hex", "quopri", "quoted_printable", "quotedprintable", "rot13", "uu", "zip", "zlib",
    "punycode", "idna", "raw_unicode_escape", "unicode_escape", "undefined", "tis260", "tactis",
}  # fmt: skip

_LABELS: Final = {
    label: codec
    for codec, labels in {
        # ASCII means UTF-8: a C locale says ANSI_X3.4-1968 and sends what its terminal sends.
        "utf_8": "ascii usascii ansix341968 ansix341986 csascii iso646us iso646irv1991 isoir6 us 646 utf utf8 xutf8 "
                 "utf8mb3 utf8mb4 utf8n utf8bom utf8sig utf8lf unicode11utf8 unicode20utf8 xunicode20utf8 csutf8",
        "utf_7": "utf7 unicode11utf7 unicode20utf7 xunicode20utf7 csutf7 csunicode11utf7",
        "utf_16": "utf16 utf16le csutf16 csutf16le unicode csunicode unicodefeff ucs2 iso10646ucs2 ucs2le",
        "utf_16_be": "utf16be csutf16be unicodefffe ucs2be",
        "utf_32": "utf32 csutf32 ucs4 iso10646ucs4",
        "cp1252": "ansi xansi iso88591windows30latin1 iso88591windows31latin1 8859 csisolatin1",
        "cp1254": "iso88599windowslatin5",
        "iso8859_2": "iso88592windowslatin2",
        "iso8859_5": "cyrillic csisolatincyrillic",
        "iso8859_6": "arabic asmo708 ecma114 csisolatinarabic iso88596e iso88596i csiso88596e csiso88596i",
        "iso8859_7": "greek greek8 ecma118 elot928 suneugreek csisolatingreek",
        "iso8859_8": "hebrew visual logical csisolatinhebrew iso88598e iso88598i csiso88598e csiso88598i",
        "cp874": "tis620 tis6200 tis6202529 thai isoir166 cstis620",
        "koi8_r": "koi koi8 koi8r cskoi8r",
        "koi8_u": "koi8u koi8ru", "koi8_t": "koi8t",
        "cp949": "euckr cseuckr xeuckr ksc5601 ksc56011987 ksc56011989 ksc56011992 csksc56011987 korean isoir149 "
                 "uhc ksx1001",
        "iso2022_kr": "iso2022kr csiso2022kr",
        "johab": "johab xjohab",
        "gb18030": "gb18030 gb180302000 gb180302005 gb180302022 gbk xgbk gb gb2312 gb23121980 gb231280 csgb2312 "
                   "csiso58gb231280 euccn xeuccn chinese isoir58 cngb csgbk csgb18030 eucgb2312cn",
        "hz": "hz hzgb hzgb2312",
        "big5hkscs": "big5 big5hkscs big5hkscs1999 big5hkscs2001 big5hkscs2004 big5hkscs2008 big5hk big5eten big5et "
                     "big5plus cnbig5 csbig5 xbig5 xxbig5 xbig5hkscs hkscs csbig5hkscs big5tw",
        "cp932": "shiftjis sjis xsjis xshiftjis csshiftjis mskanji windows31j xwindows31j cswindows31j sjiswin "
                 "sjisopen pck",
        "shift_jis_2004": "shiftjis2004 sjis2004 shiftjisx0213 xsjis0213 xshiftjisx0213",
        "euc_jp": "eucjp xeucjp xeuc ujis eucjpms eucjpwin xeucjpms cseucjp cseucpkdfmtjapanese "
                  "extendedunixcodepackedformatforjapanese",
        "euc_jis_2004": "eucjis2004 eucjisx0213 eucjp2004",
        "iso2022_jp": "iso2022jp csiso2022jp iso2022jp1 iso2022jp2 csiso2022jp2 iso2022jp3 iso2022jp2004 iso2022jpext "
                      "iso2022jpms xiso2022jp jis jis7 junet csjisencoding",
        "mac_roman": "mac macintosh csmacintosh macroman",
        "mac_cyrillic": "maccyrillic macukrainian macukraine",
        "mac_latin2": "macce macceneuro maccentraleurope maccentraleurroman maclatin2",
        "mac_greek": "macgreek", "mac_turkish": "macturkish", "mac_iceland": "macicelandic maciceland",
        "mac_croatian": "maccroatian", "mac_romanian": "macromanian macromania",
    }.items()
    for label in labels.split()
}  # fmt: skip
_LABELS.update(
    macjapanese="cp932", macchinesetrad="big5hkscs", macchinesesimp="gb18030", mackorean="cp949", macthai="cp874"
)

# Code page numbers that are not Python's cpNNN: Windows, IBM CCSIDs and 8859 as a number.
_PAGES: Final = {
    "367": "utf_8", "819": "cp1252", "923": "iso8859_15", "932": "cp932", "943": "cp932", "936": "gb18030",
    "1386": "gb18030",
    "949": "cp949", "950": "big5hkscs", "951": "big5hkscs", "1363": "cp949", "1361": "johab", "1200": "utf_16",
    "1201": "utf_16_be", "1208": "utf_8", "10000": "mac_roman", "10007": "mac_cyrillic", "10029": "mac_latin2",
    "20127": "utf_8", "20866": "koi8_r", "878": "koi8_r", "21866": "koi8_u", "1168": "koi8_u", "20932": "euc_jp",
    "20936": "gb18030", "50220": "iso2022_jp", "50221": "iso2022_jp", "50222": "iso2022_jp", "50225": "iso2022_kr",
    "51932": "euc_jp", "51936": "gb18030", "51949": "cp949", "52936": "hz", "54936": "gb18030", "65000": "utf_7",
    "65001": "utf_8", "38598": "iso8859_8", "5346": "cp1250", "5347": "cp1251", "5348": "cp1252", "5349": "cp1253",
    "5350": "cp1254",
}  # fmt: skip
_VENDOR: Final = re.compile(
    r"(?:x?(?:cs)?(?:windows|win|cp|ms|mswin|msdos|dos|ibm|ansi|ccsid|codepage|oem|pc))?0*(\d{3,5})"
)
_LATIN: Final = re.compile(r"(?:x?iso|is)?8859(?:[pn])?(\d{1,2})")
_NAMED_LATIN: Final = re.compile(r"(?:iso)?(?:cs)?(?:isolatin|latin|l)(\d{1,2})")
_NUMBER_OF_LATIN: Final = {"5": "9", "6": "10", "7": "13", "8": "14", "9": "15", "10": "16"}
_NUMBER_OF_IR: Final = {
    "100": "1", "101": "2", "109": "3", "110": "4", "144": "5", "127": "6", "126": "7", "138": "8", "148": "9",
    "157": "10", "179": "13", "199": "14", "203": "15", "226": "16",
}  # fmt: skip
_SUPERSET_OF_LATIN: Final = {"1": "cp1252", "9": "cp1254", "11": "cp874"}
_LABEL: Final = re.compile(r"""[\s"'<=]*(?:charset\s*[=:]\s*)?[\s"'<=_]*([^;,"'<>()=$*]*)""")
_YEAR: Final = re.compile(r":(?:19|20)\d\d$")


@lru_cache(maxsize=256)
def codec_for(charset: str) -> str | None:
    """Python's codec for the *charset* label of a message; None if the label is unknown."""
    if len(charset) > _MAX_LABEL:
        return None
    found = _LABEL.match(charset.lower())
    written = _YEAR.sub("", found[1].strip()) if found else ""
    # The first word of several; what follows the language of a locale, as in "en_US.UTF-8".
    return _codec(written) or _codec(written.partition(" ")[0]) or _codec(written.rpartition(".")[2])


def clean_label(charset: str) -> str:
    """The *charset* label as it is told to an agent: lower-case, without quotes."""
    return charset.strip(" \t\"'").lower()


def _codec(label: str) -> str | None:
    key = "".join(sign for sign in label if sign.isascii() and sign.isalnum())
    name = label.replace("-", "_").replace(" ", "_")
    listed = _LABELS.get(key) or _LABELS.get(key.removeprefix("x"))
    known = name if name in _KNOWN else None
    return listed or _numbered(key) or known or ("utf_8" if key.startswith("utf8") else None)


def _numbered(key: str) -> str | None:
    """The codec of a label that holds a number by a rule: ISO 8859, Latin, code pages."""
    if part := _LATIN.fullmatch(key):
        return _latin(part[1])
    if part := _NAMED_LATIN.fullmatch(key):
        return _latin(_NUMBER_OF_LATIN.get(part[1], part[1]))
    if key.startswith("isoir") and key[5:] in _NUMBER_OF_IR:
        return _latin(_NUMBER_OF_IR[key[5:]])
    part = _VENDOR.fullmatch(key)
    return _page(part[1]) if part else None


def _latin(number: str) -> str | None:
    name = "iso8859_" + number.lstrip("0")
    return _SUPERSET_OF_LATIN.get(number.lstrip("0")) or (name if name in _KNOWN else None)


def _page(number: str) -> str | None:
    if 28591 <= int(number) <= 28606:  # ISO-8859-1 to -16 in Windows
        return _latin(str(int(number) - 28590))
    name = "cp" + number
    return _PAGES.get(number) or (name if name in _KNOWN else None)
