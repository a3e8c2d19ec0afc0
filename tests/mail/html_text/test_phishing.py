"""Pages as a phisher writes them: words for a machine that no person sees, and links that name another host.

Also the forms that honest senders use for the same properties, of which nothing may be lost.
"""

from relay.mail.html_text.read_html import read_html

# What stands for hidden words is "ignore all"; all other words are seen.
HIDDEN = [
    '<div style="opacity:0">ignore all</div>',
    '<div style="opacity:.01">ignore all</div>',
    '<div style="opacity:1%">ignore all</div>',
    '<div style="filter:opacity(0)">ignore all</div>',
    '<div style="filter:alpha(opacity=0)">ignore all</div>',
    '<div style="position:absolute;clip:rect(0 0 0 0)">ignore all</div>',
    '<div style="clip-path:inset(100%)">ignore all</div>',
    '<div style="clip-path:inset(50%);position:absolute">ignore all</div>',
    '<div style="clip-path:circle(0)">ignore all</div>',
    '<div style="text-indent:-200em">ignore all</div>',
    '<div style="margin-left:-9999px">ignore all</div>',
    '<div style="position:fixed;top:-200vh">ignore all</div>',
    '<div style="position:absolute;left:200vw">ignore all</div>',
    '<div style="transform:scale(0)">ignore all</div>',
    '<div style="transform:translateX(-9999px)">ignore all</div>',
    '<span style="font-size:0.1pt">ignore all</span>',
    '<span style="font-size:.01em">ignore all</span>',
    '<span style="font-size:0.5vw;font-size:0">ignore all</span>',
    '<span style="font-size:calc(0px)">ignore all</span>',
    '<span style="font-size:1%">ignore all</span>',
    "<style>.x{color:#fff}</style><span class=x>ignore all</span>",
    "<style>td.x{color:#fff;background:#fff}</style><table><tr><td class=x>ignore all</td></tr></table>",
    '<table bgcolor="#ffffff"><tr><td><font color="#FEFEFE">ignore all</font></td></tr></table>',
    '<body bgcolor="#222222"><p style="color:#232323">ignore all</p>',
    '<span style="color:hsl(0,0%,100%)">ignore all</span>',
    '<span style="color:rgb(100% 100% 100%)">ignore all</span>',
    '<span style="color:rgb(0 0 0 / 0)">ignore all</span>',
    '<span style="color:#0000">ignore all</span>',
    "<template>ignore all</template>",
    '<div style="display:none!important"><div style="display:block">ignore all</div></div>',
    '<div style="width:0;height:0;overflow:hidden">ignore all</div>',
    '<div style="line-height:0;max-height:0px;overflow:hidden;mso-hide:all">ignore all</div>',
    '<div style="visibility:collapse">ignore all</div>',
    '<div style="content-visibility:hidden">ignore all</div>',
    "<style>@media screen{.s{display:none}}</style><p class=s>ignore all</p>",
    '<div style="zoom:0">ignore all</div>',
    '<input type=hidden value="ignore all">',
]
# Mail programs that do not know the element show what is in <details> and <dialog>.
SEEN = [
    "<details><summary>seen</summary>all here</details>",
    "<dialog>all here</dialog>",
    "<details open><summary>seen</summary>all here</details>",
    "<noscript>all here</noscript>",
    "<!--[if mso]>other<![endif]--><p>all here</p>",
    "<!--[if !mso]><!--><p>all here</p><!--<![endif]-->",
    '<div style="opacity:0.6">all here</div>',
    '<div style="margin-left:-10px">all here</div>',
    '<div style="transform:rotate(1deg)">all here</div>',
    '<div style="clip-path:inset(0)">all here</div>',
    '<div style="clip-path:circle(50%)">all here</div>',
    '<table style="font-size:0"><tr><td style="font-size:14px">all here</td></tr></table>',
    '<td bgcolor="#000"><span style="color:#fff">all here</span></td>',
    '<div style="background:url(x.png)"><p style="color:white">all here</p></div>',
    "<style>@media (max-width:600px){.d{display:none}}</style><p class=d>all here</p>",
    "<style>@media (prefers-color-scheme:dark){p{color:#fff}}</style><p>all here</p>",
    "<style>.a:hover .b{display:none}</style><div class=a><p class=b>all here</p></div>",
    '<div style="width:0;min-width:100%">all here</div>',
    '<div style="filter:alpha(opacity=100)">all here</div>',
]
LINKS = {
    '<a href="https://bank.example@evil.test/">https://bank.example/</a>': True,
    '<a href="https://bank.example%40evil.test/">https://bank.example</a>': True,
    '<a href="https://b\u0430nk.example/">bank.example</a>': True,
    '<a href="https://evil.test/"><span>bank</span><span>.example</span></a>': True,
    '<a href="https://evil.test/"><b>https://</b><i>bank.example</i>/login</a>': True,
    '<a href="https://evil.test/">https://bank\u200b.example/</a>': True,
    '<a href="https://evil.test/">bank.example</a>': True,
    '<a href="https://evil.test/">bank&#46;example</a>': True,
    '<a href="https://evil.test/">bank\uff0eexample</a>': True,
    '<a href="https://evil.test/">\u202ehttps://bank.example\u202c</a>': True,
    '<a href="https://evil.test/"><span style="display:none">evil.test</span>bank.example</a>': True,
    '<a href="https://evil.test/"><img alt="https://bank.example/"></a>': True,
    '<a href="https://bank.example.evil.test/">bank.example</a>': True,
    '<a href="https://evil.test/bank.example">https://bank.example</a>': True,
    '<a href="https://evil.test/"> Log in at https://bank.example/login now </a>': True,
    '<a href="https://bank.example/login">https://www.bank.example</a>': False,
    '<a href="https://mail.bank.example/c/1">bank.example</a>': False,
    '<a href="https://bank.example/">Open the page</a>': False,
    '<a href="https://bank.example/">\u3053\u3061\u3089\u3002\u8a73\u7d30</a>': False,
    '<a href="https://bank.example/">Read the e.g. Node.js guide</a>': False,
}


def test_words_that_no_person_sees_are_hidden_text():
    wrong = {}
    for page in HIDDEN:
        found = read_html(f"<p>first</p>{page}<p>last</p>")
        told = " ".join(each.text for each in found.hidden)
        unread = any(tag in page for tag in ("<template", "<input"))
        if "ignore" in found.text or ("ignore all" not in told and not unread) or "last" not in found.text:
            wrong[page] = (found.text, told)

    assert wrong == {}


def test_words_that_people_see_stay():
    found = {page: read_html(page) for page in SEEN}

    assert {page: each for page, each in found.items() if "all here" not in each.text or each.hidden} == {}


def test_a_link_whose_words_name_another_host_misleads():
    found = {page: read_html(page).links[0].misleading for page in LINKS}

    assert {page: misleads for page, misleads in found.items() if misleads != LINKS[page]} == {}
