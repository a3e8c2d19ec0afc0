"""Newsletters as senders' programs lay them out: tables with inline styles, sheets, hidden preview words, links.

Each layout is written in the manner of a kind of program; the words are made up. Equal arguments give equal pages.
"""

from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from itertools import count, cycle, islice
from typing import Final

_WORDS: Final = (
    "the pump in hall four runs again after a week of repairs and the team thanks all who helped with parts "
    "new offers for spring gardens include roses herbs and twelve kinds of beans that grow on balconies "
    "readers asked how long bread keeps when it is frozen and our bakers wrote a short answer with a table "
    "on Tuesday the library opens its reading hall for children while the café serves tea & cake until six"
)
_PLACES: Final = ("news", "garden", "bread", "library", "offers", "events", "archive", "about", "people", "letters")


class _Copy:
    """Sentences and links, each unlike the ones before."""

    def __init__(self) -> None:
        self._words = cycle(_WORDS.split())
        self._numbers = count(1)

    def words(self, number: int) -> str:
        return " ".join(islice(self._words, number)).capitalize().replace("&", "&amp;")

    def link(self) -> str:
        number = next(self._numbers)
        place = _PLACES[number % len(_PLACES)]
        return (
            f"https://click.letters.example/{place}/c/{number * 7919:06x}{'e3a9' * 10}?utm_source=letter&amp;"
            f"utm_medium=email&amp;utm_campaign=week{number}"
        )

    def picture(self) -> str:
        return f"https://img.letters.example/2026/11/{next(self._numbers):04d}/wide.png"


_CELL: Final = (
    "padding-top:9px; padding-right:18px; padding-bottom:9px; padding-left:18px; word-break:break-word; color:#202020; "
    "font-family:Helvetica; font-size:16px; line-height:150%; text-align:left;"
)
_TABLE: Final = '<table border="0" cellpadding="0" cellspacing="0" width="100%" style="min-width:100%;" class="block">'
_BLOCKS_SHEET: Final = """<style type="text/css">
p{ margin:10px 0; padding:0; } table{ border-collapse:collapse; } h1,h2,h3,h4,h5,h6{ display:block; margin:0; }
img,a img{ border:0; height:auto; outline:none; text-decoration:none; } .previewText{ display:none !important; }
body,#bodyTable,#bodyCell{ background-color:#FAFAFA; } #templateHeader{ background-color:#FFFFFF; }
#templateHeader .textContent,#templateHeader .textContent p{ color:#202020; font-family:Helvetica; font-size:16px; }
@media only screen and (max-width: 480px){ body,table,td,p,a,li{ -webkit-text-size-adjust:none !important; }
.columnWrapper{ width:100% !important; } .textContent{ font-size:18px !important; line-height:150% !important; } }
</style>"""


def blocks(size: int) -> str:
    """A page of nested tables, a table around each block of text, as campaign editors write it."""
    copy = _Copy()
    head = (
        '<!doctype html><html xmlns="http://www.w3.org/1999/xhtml"><head><meta charset="UTF-8"><meta name="viewport" '
        f'content="width=device-width, initial-scale=1"><title>The week</title>{_BLOCKS_SHEET}</head><body style="height:'
        '100%;margin:0;padding:0;width:100%;background-color:#FAFAFA;"><span class="previewText" style="display:none; '
        'font-size:0px; line-height:0px; max-height:0px; overflow:hidden; visibility:hidden;">Roses and bread &nbsp;'
        "&zwnj; &nbsp;&zwnj;</span><center>"
    )

    def block() -> str:
        return f"""{_TABLE}
    <tbody class="blockOuter">
        <tr>
            <td valign="top" class="blockInner" style="padding-top:9px;">
                <table align="left" border="0" cellpadding="0" cellspacing="0" style="max-width:100%;" width="100%">
                    <tbody><tr>
                        <td class="imageContent" valign="top" style="padding: 0px 18px 9px; text-align:center;">
                            <a href="{copy.link()}" target="_blank"><img alt="{copy.words(3)}" src="{copy.picture()}" \
width="564" style="max-width:1128px; padding-bottom:0; display:inline !important; vertical-align:bottom;"></a>
                        </td>
                    </tr><tr>
                        <td valign="top" class="textContent" style="{_CELL}">
                            <h3 style="text-align:left;color:#202020;font-size:20px;">{copy.words(5)}</h3>
                            {copy.words(42)}. <strong>{copy.words(4)}</strong> {copy.words(16)}:<br>
                            <a href="{copy.link()}" target="_blank" style="color:#007C89;font-weight:normal;">Read more</a>
                        </td>
                    </tr></tbody>
                </table>
            </td>
        </tr>
    </tbody>
</table>
"""

    return _filled(head, block, "</center></body></html>", size)


_SECTION: Final = (
    '<div style="background:#ffffff;background-color:#ffffff;margin:0px auto;max-width:600px;"><table align="center" '
    'border="0" cellpadding="0" cellspacing="0" role="presentation" style="background:#ffffff;background-color:#ffffff;'
    'width:100%;"><tbody><tr><td style="direction:ltr;font-size:0px;padding:20px 0;text-align:center;">'
)
_COLUMN: Final = (
    '<div class="column-per-50 outlook-group-fix" style="font-size:0px;text-align:left;direction:ltr;display:inline-block;'
    'vertical-align:top;width:100%;"><table border="0" cellpadding="0" cellspacing="0" role="presentation" '
    'style="vertical-align:top;" width="100%"><tbody>'
)
_LETTERING: Final = "font-family:Ubuntu, Helvetica, Arial, sans-serif;font-size:13px;line-height:1;text-align:left;"


def sections(size: int) -> str:
    """A page of sections and columns with conditional comments, as markup compilers write it."""
    copy = _Copy()
    head = (
        '<!doctype html><html lang="und" dir="auto"><head><title></title><!--[if !mso]><!--><meta http-equiv='
        '"X-UA-Compatible" content="IE=edge"><!--<![endif]--><style type="text/css">#outlook a { padding:0; } '
        "body { margin:0;padding:0; } p { display:block;margin:13px 0; } @media only screen and (min-width:480px) { "
        ".column-per-50 { width:50% !important; max-width: 50%; } }</style></head>"
        '<body style="word-spacing:normal;background-color:#f4f4f4;"><div style="display:none;font-size:1px;color:#ffffff;'
        'line-height:1px;max-height:0px;max-width:0px;opacity:0;overflow:hidden;">The week in four lines</div>'
    )

    def column() -> str:
        return (
            f'{_COLUMN}<tr><td align="center" style="font-size:0px;padding:10px 25px;word-break:break-word;"><img alt="" '
            f'src="{copy.picture()}" style="border:0;display:block;height:auto;width:100%;" width="250" height="auto">'
            '</td></tr><tr><td align="left" style="font-size:0px;padding:10px 25px;word-break:break-word;"><div style="'
            f'{_LETTERING}color:#000000;">{copy.words(24)}.</div></td></tr><tr><td align="center" vertical-align="middle" '
            'style="font-size:0px;padding:10px 25px;"><table border="0" cellpadding="0" cellspacing="0"><tr><td '
            'align="center" bgcolor="#414141" role="presentation" style="border:none;border-radius:3px;"><a href='
            f'"{copy.link()}" style="display:inline-block;background:#414141;color:#ffffff;{_LETTERING}padding:10px 25px;" '
            f'target="_blank"> {copy.words(2)} </a></td></tr></table></td></tr></tbody></table></div>'
        )

    def block() -> str:
        return (
            '<!--[if mso | IE]><table align="center" border="0" cellpadding="0" cellspacing="0" width="600"><tr><td '
            f'style="line-height:0px;"><![endif]-->{_SECTION}{column()}<!--[if mso | IE]></td><td style="vertical-align:top;'
            f'width:300px;"><![endif]-->{column()}</td></tr></tbody></table></div><!--[if mso | IE]></td></tr></table>'
            "<![endif]-->\n"
        )

    return _filled(head, block, "</body></html>", size)


def products(size: int) -> str:
    """A grid of products with prices, as shops write it: fonts, colours and widths at each cell."""
    copy = _Copy()
    head = (
        '<html><body bgcolor="#ffffff" text="#333333" style="margin:0"><table width="640" align="center" cellpadding="0" '
        'cellspacing="0">'
    )

    def cell() -> str:
        return (
            f'<td width="33%" valign="top" align="center" bgcolor="#f7f7f7" style="padding:8px"><a href="{copy.link()}">'
            f'<img src="{copy.picture()}" width="190" height="190" border="0" alt="{copy.words(4)}"></a><br><font '
            f'face="Arial" size="2" color="#333333"><a href="{copy.link()}" style="color:#333333;text-decoration:none">'
            f'{copy.words(5)}</a></font><br><font face="Arial" size="3" color="#cc0000"><b>&euro;&nbsp;{len(copy.link())},90'
            '</b></font> <font face="Arial" size="1" color="#999999"><s>&euro;&nbsp;129,00</s></font></td>\n'
        )

    return _filled(head, lambda: f"<tr>{cell()}{cell()}{cell()}</tr>\n", "</table></body></html>", size)


def digest(size: int) -> str:
    """Stories with headings, lists and inline links, as writers' platforms send them."""
    copy = _Copy()
    head = '<!DOCTYPE html><html><body style="font-family:Georgia,serif;color:#363737;background-color:#ffffff;">'

    def item() -> str:
        return f'<li style="margin:8px 0 0 32px;"><p style="margin:0;">{copy.words(11)}</p></li>'

    def block() -> str:
        return (
            f'<h2 style="font-weight:bold;font-size:1.6em;line-height:1.16em;margin:1em 0 0.6em 0;">{copy.words(6)}</h2>'
            f'<p style="margin:0 0 20px 0;color:rgb(54,55,55);line-height:26px;font-size:16px;">{copy.words(38)}, <a href='
            f'"{copy.link()}" rel="" style="color:rgb(54,55,55);text-decoration:underline;">{copy.words(4)}</a>, '
            f'{copy.words(21)}. <em>{copy.words(5)}</em>\u2019s {copy.words(6)}.</p><ul style="margin-top:0;padding:0;">'
            f'{item()}{item()}{item()}</ul><div style="font-size:16px;line-height:26px;"><hr style="padding:0;'
            'width:auto;background:#e6e6e6;margin:32px 0;height:1px;border:none;"></div>\n'
        )

    return _filled(head, block, "</body></html>", size)


def word_processor(size: int) -> str:
    """A letter written in a word processor: a class and a span around each run of words."""
    copy = _Copy()
    head = (
        '<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><style><!--\np.MsoNormal, li.MsoNormal {margin:0cm; '
        'font-size:11.0pt; font-family:"Calibri",sans-serif;}\na:link {color:#0563C1; text-decoration:underline;}\n'
        'div.WordSection1 {page:WordSection1;}\n--></style></head><body lang=EN-GB link="#0563C1"><div class=WordSection1>'
    )

    def block() -> str:
        return (
            f"<p class=MsoNormal><b><span style='font-size:14.0pt;color:#1F3864'>{copy.words(6)}<o:p></o:p></span></b></p>"
            f"<p class=MsoNormal><span lang=EN-US style='mso-fareast-language:EN-US'>{copy.words(44)}.<o:p></o:p></span></p>"
            f"<p class=MsoNormal><span lang=EN-US style='mso-fareast-language:EN-US'>{copy.words(12)} <a href=\""
            f'{copy.link()}">{copy.words(3)}</a>.<o:p></o:p></span></p><p class=MsoNormal><span lang=EN-US><o:p>&nbsp;</o:p>'
            "</span></p>\n"
        )

    return _filled(head, block, "</div></body></html>", size)


LAYOUTS: Final[dict[str, Callable[[int], str]]] = {
    each.__name__: each for each in (blocks, sections, products, digest, word_processor)
}


def newsletter(html: str, *, plain: bool = False) -> bytes:
    """The mail that carries *html*, as it comes over SMTP; *plain*: with a plain part before it."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = "The Weekly Letter <news@letters.example>"
    mail["To"] = "Ana Weber <ana@agents.example>"
    mail["Subject"] = "Roses, bread and the pump in hall four"
    mail["Date"] = "Mon, 30 Nov 2026 08:00:00 +0000"
    mail["Message-ID"] = "<letter-48@letters.example>"
    mail["List-Unsubscribe"] = "<https://letters.example/leave?id=48>, <mailto:leave@letters.example>"
    mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    if plain:
        mail.set_content("Roses, bread and the pump in hall four.\nRead the letter at https://letters.example/48\n")
        mail.add_alternative(html, subtype="html", cte="quoted-printable")
    else:
        mail.set_content(html, subtype="html", cte="quoted-printable")
    return mail.as_bytes()


def _filled(head: str, block: Callable[[], str], end: str, size: int) -> str:
    """*head* and as many blocks as fill *size* characters."""
    pieces, length = [head], len(head) + len(end)
    while length < size:
        pieces.append(block())
        length += len(pieces[-1])
    return "".join((*pieces, end))
