import pytest

from relay.mail.html_text.read_html import read_html


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("one<br>two<BR/>three", "one\ntwo\nthree"),
        ("a  \n b", "a b"),
        ("&lt;b&gt; &amp; &nbsp;&euro; &#233;&#xe9;", "<b> & € éé"),
        ("<script>no</script>yes<STYLE>no</STYLE>", "yes"),
        ("<head><title>no</title></head>yes", "yes"),
        ("<!-- no <b> -->yes<!doctype html><?xml ?>", "yes"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("yes<script>never closed", "yes"),
        ("yes<!-- never closed", "yes"),
        ("yes<a never closed", "yes"),
        ("yes</p never", "yes"),
        ("<b>bo</b>ld <header>x</header>", "bold\nx"),
        ("&#" + "9" * 5000 + ";x", "\ufffdx"),
        ("&#0;&#7;x", "\ufffdx"),
        ("İ<p>x</p>", "İ\n\nx"),
        ("<ul><li>a<li>b</ul>", "- a\n- b"),
        ("", ""),
    ],
)
def test_words_come_out_and_markup_does_not(html, expected):
    assert expected == read_html(html).text
