"""Lines that mail programs add below an answer: "Sent from my iPhone", "Get Outlook for iOS"."""

import re
from typing import Final

_LONGEST: Final = 200
_SENT: Final = (
    r"sent (?:securely )?(?:from|with|via|using|by|on) (?:my|the|a|an)?|securely sent (?:from|with)|secured with"
    r"|composed (?:on|with)|created with"
    r"|(?:this|the)? ?(?:e-?mail|message) (?:was )?sent (?:from|with) (?:my|the)?"
    r"|gesendet (?:von|mit|über|aus|vom)|diese (?:nachricht|e-?mail|mail) wurde (?:von|mit|über)"
    r"|envoyée? (?:de|depuis|avec|via|à partir|par)|ce message a été envoyé (?:de|depuis|avec)"
    r"|e-?mail envoyé (?:de|depuis|avec)"
    r"|enviad[oa] (?:desde|con|do|da|de|via|a partir|pel[oa]|com|por|mediante)|este (?:mensaje|e-?mail"
    r"|mensagem) (?:fue|foi|se ha) enviado"
    r"|inviat[oa] (?:da|dal|dallo|con|tramite|via|dalla)|verstuurd (?:vanaf|vanuit|met|via|van)"
    r"|verzonden (?:vanaf|vanuit|met|via|van)"
    r"|skickat (?:från|med|via)|sendte? (?:fra|med|via|frå)|wysłan[eoy] (?:z|ze|za|przez|przy|za pomocą)|wyslane z"
    r"|отправлено (?:с|из|через|от)|надіслано (?:з|із|через|від|за)|发自|發自|来自|從|傳送自|lähetetty"
    r"|od(?:esláno|oslané|oslane|eslané) (?:z|ze|pomocou|pomocí|mojho|môjho)?"
    r"|trimis[ăe]? (?:de pe|din|de la|cu|prin)|elküldve|στάλθηκε (?:από|με|μέσω)|αποστολή από|נשלח(?:ה)?"
    r"|أُ?رسلت?|مرسلة?|تم الإرسال"
    r"|(?:đã |được )?gửi (?:từ|bằng|qua)|dikirim (?:dari|dengan|menggunakan|melalui)|ส่งจาก|posla(?:no|to) (?:s"
    r"|sa|iz|z|od|preko|pomoću)"
    r"|изпратено (?:от|с|чрез)|послато (?:са|с|из|преко)|saadetud|išsiųsta|nosūtīts|enviat (?:des|amb)"
    r"|فرستاده شده|ارسال شده"
)
_GET: Final = (
    r"get|download|try|holen sie sich|hol dir|laden sie|télécharge[rz]?|obten(?:e[rz]|ir|iez|ha|ga)|obtén"
    r"|obtenez|obter|obtiens|descarga[r]?"
    r"|ottieni|scarica|hämta|hent|last ned|få|pobierz(?: program| aplikację)?|скачать|скачайте|загрузить"
    r"|получите|отримати|завантаж\w+"
    r"|获取|取得|下载|下載|hanki|získ\w+|stáhn\w+|obțineți|descărcați|λήψη(?: του)?|κατεβάστε(?: το)?"
    r"|קבל(?: את)?|הורד(?: את)?|الحصول على|احصل على"
    r"|tải|nhận|dapatkan|รับ|ดาวน์โหลด|preuzmi(?:te)?|преузм\w+|outlook"
)
_ARTICLE: Final = "(?:the|app|free|aplikaci|aplikację|la|de|o|le|el|lo|den|die|program|aplicación|aplicativo)"
_APPS: Final = r"(?:outlook|bluemail|yahoo|proton|aqua ?mail|spark|gmx|web\.de|aol|mymail|tuta|mail\.ru)"
_ENDS: Final = (
    "gesendet", "verzonden", "verstuurd", "verzenden", "送信", "送信されました", "送信しました", "傳送",
    "发送", "發送", "寄出", "傳來", "보냄", "보낸 메일", "보냈습니다", "전송됨", "발송", "gönderildi", "küldve",
    "küldött", "lähetetty", "से भेजा गया", "sendt", "skickat", "downloaden", "を入手",
    "ダウンロード", "herunterladen", "다운로드", "받기", "edinin", "indirin", "beszerzése",
    "letöltése",
)  # fmt: skip
_TAIL: Final = " .\u3002*_"
_PRODUCT: Final = (
    r"iphon|ipad|ipod|ios|android|galaxy|samsung|huawei|xiaomi|redmi|pixel|nokia|motorola|oneplus|oppo|vivo"
    r"|honor|xperia|blackberry|windows|outlook|hotmail"
    r"|proton|yahoo|gmail|gmx|web\.de|aol|zoho|tuta|bluemail|airmail|mailspring|aqua ?mail"
    r"|k-9 mail|fairemail|thunderbird|mymail|mail\.ru|yandex|яндекс|почт|posteo|mailbird|em client|fastmail"
    r"|apple|macbook"
    r"|tablet|smartphone|telefon|handy|mobil|móvil|movil|celular|cellulare|mobile|phone|téléphone|gsm|puhelim"
    r"|matkapuhel|telefono|teléfono|телефон|смартфон|手机|手機|携帯|スマートフォン"
    r"|휴대폰|הנייד|الهاتف|điện thoại|ponsel|โทรศัพท์|qq|网易|網易|163|foxmail|naver|daum|t-online|telekom"
    r"|seznam|email\.cz|wp\.pl|onet|libero|laposte|rambler|ukr\.net|workspace one|boxer|mailbox"
)
_URL: Final = r"(?:https?://[^\s<>]{1,400}|www\.[^\s<>]{1,400}|aka\.ms/[^\s<>]{1,60})"
_LINK: Final = rf"(?:\s{{0,3}}[<(\[]{{0,2}} ?{_URL} ?[>)\]]{{0,2}})"
_LINKS: Final = re.compile(rf"{_LINK}{{0,3}}[ .]{{0,3}}\Z")
_NAMED: Final = (  # products whose names are common words: only right behind the verb
    "front|hey|nine|spark|watch|orange|missive|superhuman|canary|edison|polymail|shortwave|newton|mail"
    "|mail for windows|o2"
)
_ADVERT: Final = re.compile(
    rf"[-\u2014*_ \[]{{0,4}}(?:"
    rf"(?:{_SENT})(?: verizon,)?(?: [^\s?!,;:]+){{0,4}}? ?[^\s?!,;:]{{0,6}}?(?:{_PRODUCT})[^?!,;]{{0,40}}"
    rf"|sent (?:from|with|via|using) (?:{_NAMED})(?: (?:mail|for|on|app|ios|android|mac|iphone|\d+)){{0,4}}"
    rf"|sent from my (?:verizon, |at&t |t-mobile )?[a-z]{{1,12}} \d{{1,3}}\w{{0,3}}(?: [a-z]{{1,9}})?"
    rf"|az outlook (?:beszerzése|letöltése)[^?!,;]{{0,40}}"
    rf"|(?:{_GET}) ?(?:{_ARTICLE} ){{0,2}}(?:(?:ios|android) 版 ?|l['\u2019]app )?\[?{_APPS}[^?!,;]{{0,40}}"
    rf")[ .\u3002*_\]]{{0,3}}",
)
_ADVERT_BEHIND: Final = re.compile(
    rf"[-\u2014*_ ]{{0,4}}(?:[^\s?!,;:.]+ ){{0,4}}?\S{{0,6}}?(?:{_PRODUCT})[^?!,;]{{0,36}}?"
    rf"(?:{'|'.join(_ENDS)})[{re.escape(_TAIL)}]{{0,3}}",
)
_BREVITY: Final = re.compile(
    r"\.? (?:please|pls)? ?(?:excuse|forgive|pardon)[^.?!]{0,60}[.!]?$|\. get your own[^?]{0,60}$"
    r"|\. bitte entschuldige[^?]{0,60}$",
)
LINK_LINE: Final = re.compile(rf"[<(\[]?{_URL}[>)\]]?")


# What each advert of the first kind begins with: most lines begin with none of these, and no pattern is tried.
_STARTS: Final = (
    "sent", "securely", "secured", "composed", "created", "this e", "this m", "the e",
    "the m", "message sent", "email sent", "e-mail sent", "gesendet", "diese ",
    "envoyé", "ce message", "email envoyé", "e-mail envoyé", "enviad", "este ",
    "inviat", "verstuurd", "verzonden", "skickat", "sendt", "wysłan", "wyslan",
    "отправлено", "надіслано", "发自", "發自", "来自", "從", "傳送自", "lähetetty", "odesl",
    "odosl", "trimis", "elküldve", "στάλθηκε", "αποστολή", "נשלח", "أرسل", "أُرسل",
    "مرسل", "تم الإرسال", "gửi", "đã gửi", "được gửi", "dikirim", "ส่งจาก", "posla",
    "изпратено", "послато", "saadetud", "išsiųsta", "nosūtīts", "enviat", "فرستاده",
    "ارسال", "get ", "download", "try ", "holen sie", "hol dir", "laden sie",
    "télécharge", "obten", "obtén", "obter", "obtien", "descarg", "ottieni", "scarica",
    "hämta", "hent ", "last ned", "få ", "pobierz", "скача", "загруз", "получите",
    "отримати", "завантаж", "获取", "取得", "下载", "下載", "hanki", "získ", "stáhn", "obțin",
    "descăr", "λήψη", "κατεβ", "קבל", "הורד", "الحصول", "احصل", "tải ", "nhận ",
    "dapatkan", "รับ", "ดาวน์โหลด", "preuzmi", "преузм", "outlook", "az outlook",
)  # fmt: skip


def is_advert(line: str) -> bool:
    """Whether a bare *line* is the whole advert of a mail program. An answer has other words in its line."""
    if len(line) > _LONGEST:
        return False
    words = line.lower().lstrip("-\u2014*_ [")
    if "/" in words:
        words = _LINKS.sub("", words)
    words = words.strip(" :")
    if words.startswith(_STARTS) and _ADVERT.fullmatch(_BREVITY.sub("", words)):
        return True
    return words.rstrip(_TAIL).endswith(_ENDS) and _ADVERT_BEHIND.fullmatch(words) is not None
