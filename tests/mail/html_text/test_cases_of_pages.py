"""Small pages out of public reports: what becomes of their words, links, hidden words and references."""

from relay.mail.html_text.read_html import read_html

TEXTS = {
    # links (premailer 119, TEAMMATES 13656)
    '<a href="https://x.example/v?a=1&amp;b=2">Confirm</a>': "Confirm <https://x.example/v?a=1&b=2>",
    '<a href="https://x.example/?a=1&copy=2">Go</a>': "Go <https://x.example/?a=1&copy=2>",
    '<a href="https://x.example">x.example</a>': "x.example",
    '<a href="https://www.x.example/">x.example</a>!': "x.example!",
    '<a href="HTTPS://x.example/a">https://x.example/a</a>': "https://x.example/a",
    '<a href="mailto:a@x.example">a@x.example</a>': "a@x.example",
    '<a href="mailto:a@x.example?subject=Hi">write</a>': "write <mailto:a@x.example?subject=Hi>",
    '<a href="tel:+49301234567">+49 30 123 45 67</a>': "+49 30 123 45 67",
    '<a href="tel:+49301234567">call us</a>': "call us <tel:+49301234567>",
    '<a href="#top">top</a> <a href="javascript:x()">run</a> <a name=q>q</a>': "top run q",
    '<a href="/rel">rel</a>': "rel",
    '<base href="https://x.example/d/"><a href="rel">rel</a>': "rel <https://x.example/d/rel>",
    '<a href="//x.example/p">p</a> <a href="www.x.example">w</a>': "p <https://x.example/p> w <http://www.x.example>",
    '<a href=" ht\ntps://x.example/a b ">a</a>': "a <https://x.example/a%20b>",
    '<a href="https://x.example/1"><img src=b.png></a>': "<https://x.example/1>",
    '<a href="https://x.example/1"><img src=b.png alt="Buy"></a>': "Buy <https://x.example/1>",
    '<a href="https://x.example/1"></a>x': "x",
    '<a href="https://x.example/1">one<a href="https://x.example/2">two</a>': (
        "one <https://x.example/1>two <https://x.example/2>"
    ),
    '<p><a href="https://x.example/1">open<p>next</p>': "open <https://x.example/1>\n\nnext",
    # tables (asm3 820, nodemailer-html-to-text 2)
    "<table><tr><th>Qty<th>Item<tr><td>2<td>9 V</table>": "Qty\tItem\n2\t9 V",
    "<table><tr><td><p>a</p></td><td><p>b</p></td></tr></table>": "a\tb",
    "<table><tr><td>a</td><td></td><td>c</td></tr></table>": "a\t\tc",
    "<table><tr><td>a<br>b</td><td>c</td></tr></table>": "a\nb\nc",
    "<table><tr><td><table><tr><td>1<td>2</table><td>3</table>": "1\t2\t3",
    # lists
    "<ol><li>a</li><li>b<ul><li>c</ul></li></ol>": "1. a\n2. b\n  - c",
    '<ol start="4"><li>a<li value=9>b<li>c</ol>': "4. a\n9. b\n10. c",
    '<ul style="list-style:none"><li>a<li>b</ul>': "a\nb",
    "<ul><li><p>a</p></li><li><p>b</p></li></ul>": "- a\n\n- b",
    # quotes
    "x<blockquote>a<br>b</blockquote>y": "x\n> a\n> b\ny",
    "<blockquote><p>a</p><p>b</p><blockquote>c</blockquote></blockquote>": "> a\n>\n> b\n>\n> > c",
    # lines
    "<pre>a\n  b\n\nc</pre>": "a\n  b\n\nc",
    "<div>a</div><div><br></div><div>b</div>": "a\n\nb",
    "<div>a</div><div>&nbsp;</div><div>b</div>": "a\n\nb",
    "<p class=MsoNormal>a</p><p class=MsoNormal>b</p>": "a\nb",
    "a<hr>b": "a\n\nb",
    "<dl><dt>Order<dd>77</dl>": "Order\n77",
    "<button>Yes</button><select><option>a<option>b</select>": "Yes\na\nb",
    "<span>a</span><span>b</span> <b> c </b>d": "ab c d",
    "<h1>T</h1>x<address>y</address>": "T\n\nx\ny",
    '<input type=submit value="Send"><textarea>1\n2</textarea>': "Send\n1\n2",
    # characters
    "a&nbsp;&nbsp;b&#160;c": "a b c",
    "pay&zwnj;pal soft&shy;hyphen &#8203;x&#xFEFF;": "paypal softhyphen x",
    "می\u200cخواهم 👨\u200d👩\u200d👧": "می\u200cخواهم 👨\u200d👩\u200d👧",
    "&copy 1 &#150; &euro; &notanentity; AT&T": "© 1 – € ¬anentity; AT&T",
    "山田\u3000太郎": "山田\u3000太郎",
    # damaged mark-up
    "<title>never closed<p>words": "never closed\n\nwords",
    "<title/><p>words": "words",
    "<style/><p>words": "words",
    "<svg><p>words": "words",
    "<svg><title>no</title><text>no</text></svg>words": "words",
    "<head><title>no</title><body>words": "words",
    "<!-->a<!--->b<!-- c --!>d<!-- e": "abd",
    "<![CDATA[ a ]]>b": "b",
    "<![if !mso]>a<![endif]><!--[if mso]>no<![endif]-->b": "ab",
    '<p title="x>one</p><p>two</p>': "one\n\ntwo",
    '<a title="1 > 0">a</a><b title=">">b</b>': "ab",
    "<img alt='->'>x": "-> x",
    "<b><p>a</b>b</p>": "ab",
    "<div>a<table><tr><td><div>b</div></td><td><div></div></td></tr></table><p>c</div>": "a\nb\n\nc",
    "1 < 2 <3": "1 < 2 <3",
    "<o:p>&nbsp;</o:p>x<o:p/>": "x",
    "</p>a</div></td>b": "ab",
}  # fmt: skip

HIDDEN = {
    '<div style="display:none">no</div>yes': [("display", "no")],
    '<div style="DISPLAY : None !important; display:block">no</div>yes': [("display", "no")],
    '<div style="d\\69splay:none">no</div>yes': [("display", "no")],
    '<div style="display/**/:none">no</div>yes': [("display", "no")],
    '<p style="visibility:hidden">no<b style="visibility:visible">yes</b></p>': [("display", "no")],
    "<p hidden>no</p>yes": [("attribute", "no")],
    '<span style="font-size:0">no</span>yes': [("size", "no")],
    '<span style="font-size:1px">no</span>yes': [("size", "no")],
    '<span style="font:0/0 a">no</span>yes': [("size", "no")],
    '<div style="font-size:0px">no<b style="font-size:12px">yes</b></div>': [("size", "no")],
    '<div style="max-height:0;overflow:hidden">no</div>yes': [("size", "no")],
    '<div style="opacity:0.0">no</div>yes': [("size", "no")],
    '<div style="mso-hide:all">no</div>yes': [("display", "no")],
    '<div style="position:absolute;left:-9999px">no</div>yes': [("offscreen", "no")],
    '<div style="text-indent:-9999px">no</div>yes': [("offscreen", "no")],
    '<font color="#ffffff">no</font>yes': [("colour", "no")],
    "<font color=white>no</font>yes": [("colour", "no")],
    '<span style="color:#fefefe">no</span>yes': [("colour", "no")],
    '<span style="color:transparent">no</span>yes': [("colour", "no")],
    '<span style="color:rgba(0,0,0,0)">no</span>yes': [("colour", "no")],
    '<div style="background:#123456"><span style="color:rgb(18,52,86)">no</span></div>yes': [("colour", "no")],
    '<table bgcolor=black><tr><td style="color:#000">no</td></tr></table>yes': [("colour", "no")],
    '<p class="a">no</p>yes<style>.a{display:none}</style>': [("display", "no")],
    "<style>#i{font-size:0}</style><p id=i>no</p>yes": [("size", "no")],
    "<style>p.a, b{display:none}</style><p class=a>no</p><b>no</b>yes": [("display", "no"), ("display", "no")],
    '<img src=x width=1 height=1 alt="no">yes': [("size", "no")],
    "yes\U000e006e\U000e006f": [("zero_width", "no")],
    '<p style="display:none">no<p>yes': [("display", "no")],
    # not hidden
    "<p aria-hidden=true>yes</p>": [],
    '<div style="background:#000;color:#fff">yes</div>': [],
    '<div style="background-image:url(x)"><b style="color:#fff">yes</b></div>': [],
    '<style>.d td{background:#000}</style><table class=d><tr><td style="color:#fff">yes</td></tr></table>': [],
    '<div style="color:#fff"><a href="https://x.example/">yes</a></div>': [],
    "<style>@media print{.a{display:none}}</style><p class=a>yes</p>": [],
    '<div style="line-height:0;max-height:0">yes</div>': [],
    "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f yes": [],
    "🏴\U000e006e\U000e006f yes": [("zero_width", "no")],
}  # fmt: skip

MISLEADING = {
    ("https://evil.example/", "https://bank.example/"): True,
    ("https://evil.example/", "www.bank.example"): True,
    ("https://evil.example/", "bank.example"): True,
    ("https://bank.example@evil.example/", "bank.example"): True,
    ("https://evil.example\\@bank.example/", "bank.example"): True,
    ("https://b\u0430nk.example/", "bank.example"): True,
    ("mailto:a@evil.example", "a@bank.example"): True,
    ("https://bank.example/", "https://bank.example/login"): False,
    ("https://www.bank.example/", "bank.example"): False,
    ("https://click.bank.example/", "bank.example"): False,
    ("https://evil.example/", "Click here, it is free.Now"): False,
    ("https://x.example/", "invoice.pdf"): False,
    ("https://x.example/", "version 2.0"): False,
    ("https://xn--bcher-kva.example/", "bücher.example"): False,
    ("https://eu1.safelinks.protection.outlook.com/?url=https%3A%2F%2Fbank.example%2F", "bank.example"): False,
    ("https://eu1.safelinks.protection.outlook.com/?url=https%3A%2F%2Fevil.example%2F", "bank.example"): True,
    ("https://urldefense.com/v3/__https://bank.example/a__;!!x", "https://bank.example/a"): False,
}


def test_the_words_of_a_page_come_out_on_lines():
    found = {html: read_html(html).text for html in TEXTS}

    assert {html: (text, TEXTS[html]) for html, text in found.items() if text != TEXTS[html]} == {}


def test_words_that_a_page_hides_are_told_and_left_out():
    wrong = {}
    for html, expected in HIDDEN.items():
        found = read_html(html)
        if [(each.reason, each.text) for each in found.hidden] != expected or "yes" not in found.text:
            wrong[html] = found
        if expected and "no" in found.text:
            wrong[html] = found

    assert wrong == {}


def test_a_link_whose_words_name_another_host_is_misleading():
    found = {(url, words): read_html(f'<a href="{url}">{words}</a>').links[0] for url, words in MISLEADING}

    assert {key: link for key, link in found.items() if link.misleading != MISLEADING[key]} == {}


def test_a_link_tells_the_host_it_leads_to():
    hosts = {
        "https://X.example:8443/a": "x.example",
        "https://b\u00fccher.example/": "xn--bcher-kva.example",
        "https://user:word@x.example/": "x.example",
        "https:\\\\x.example\\a": "x.example",
        "http:/x.example": "x.example",
        "https://[2001:db8::1]:80/": "[2001:db8::1]",
        "mailto:a@x.example": "x.example",
        "tel:+491234": "",
    }

    assert hosts == {url: read_html(f'<a href="{url}">go</a>').links[0].host for url in hosts}


def test_links_of_areas_and_forms_are_listed_and_hidden_ones_are_not():
    page = (
        '<map><area href="https://x.example/a" alt="North"></map><form action="https://x.example/f">x</form>'
        '<p hidden><a href="https://x.example/no">no</a></p><a href="data:text/html,x">no</a>'
    )

    assert [(link.url, link.text) for link in read_html(page).links] == [
        ("https://x.example/a", "North"),
        ("https://x.example/f", ""),
    ]


def test_the_bounds_of_links_and_hidden_words_hold():
    links = read_html("".join(f'<a href="https://x.example/{n}">{"w" * 900}</a>' for n in range(300))).links
    hidden = read_html(f"<p hidden>{'w' * 9000}</p>x" * 50).hidden

    assert (len(links), len(links[0].text)) == (100, 300)
    assert (len(hidden), len(hidden[0].text)) == (20, 500)


def test_references_are_content_ids_and_urls_of_pictures():
    page = (
        "<style>.a{background:url(cid:sheet@x)}</style><body background='cid:body@x'><img src=\"cid:one%40x\">"
        "<img src=logo.png><td style=\"background-image:url('cid:two@x')\"><input type=image src='cid:three@x'>"
        "<img src='data:image/png;base64,AAAA'><a href='https://x.example/'>no</a>"
    )

    assert read_html(page).references == {"sheet@x", "body@x", "one@x", "logo.png", "two@x", "three@x"}
