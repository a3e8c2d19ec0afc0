"""The labels of a header block, "From:", "Sent:", "To:", "Subject:", as mail programs translate them."""

from typing import Final

_FROM: Final = (
    "from|von|de|da|van|från|fra|fra|från|lähettäjä|od|od koho|nadawca|от|от кого|від|від кого|kimden|gönderen"
    "|feladó|de la|expeditor|expéditeur|από|αποστολέας|dari|pengirim|từ|người gửi|מאת|من|المرسل|发件人|寄件者|寄件人"
    "|差出人|送信者|보낸 사람|보낸사람|발신|จาก|प्रेषक|saatja|kellelt|nuo|siuntėjas|no|sūtītājs|frá|remitente"
    "|remetente"
    "|mittente|pošiljatelj|pošiljalac|odosielateľ|odesílatel|подател|пошиљалац|از|فرستنده|отправитель|відправник"
    "|avsändare"
    "|afsender|avsender|absender|afzender|feladja|desde|enviado por"
)
_SENT: Final = (
    "sent|gesendet|envoyé|envoyé le|enviado|enviado el|enviado em|enviada em|enviada|inviato|verzonden|skickat|sendt"
    "|lähetetty|wysłano|wysłane|odesláno|odoslané|отправлено|надіслано|gönderme tarihi|gönderilme tarihi|gönderildi"
    "|elküldve|küldve|trimis|στάλθηκε|dikirim|terkirim|đã gửi|ngày gửi|נשלח|تم الإرسال|أرسلت|发送时间|发送日期"
    "|傳送時間"
    "|寄件日期|傳送日期|送信日時|送信日|보낸 날짜|보낸날짜|ส่ง|วันที่ส่ง|भेजा गया|saadetud|išsiųsta|nosūtīts"
    "|sent|poslano|poslato"
    "|изпратено|послато|ارسال شده|sendt den|enviat|sent on"
)
_DATE: Final = (
    "date|datum|fecha|data|dato|dátum|дата|ημερομηνία|tarih|päivämäärä|päiväys|pvm|日期|日付|날짜|תאריך|التاريخ"
    "|tanggal|ngày"
    "|วันที่|तारीख|kuupäev|dată|dagsetning|时间|時間|日時|sent date|date sent|date d'envoi|data invio|تاریخ"
)
_TO: Final = (
    "to|an|à|a|para|aan|till|til|do|vastaanottaja|komu|pro|кому|получатель|одержувач|kime|címzett|către|προς"
    "|kepada|ke"
    "|đến|tới|người nhận|אל|إلى|收件人|收件者|宛先|받는 사람|받는사람|수신|ถึง|प्राप्तकर्ता|saaja|kellele|kam"
    "|kam|prima|za|destinatario"
    "|destinatário|destinataire|adresat|empfänger|mottagare|modtager|mottaker|ontvanger|до|за|به|iki|alıcı"
)
_SUBJECT: Final = (
    "subject|betreff|objet|asunto|assunto|oggetto|onderwerp|ämne|emne|aihe|temat|předmět|predmet|тема|konu|tárgy"
    "|subiect|θέμα|perihal|subjek|chủ đề|tiêu đề|נושא|الموضوع|主题|主題|主旨|标题|件名|제목|หัวเรื่อง|เรื่อง"
    "|विषय|teema|tema"
    "|dalykas|temats|efni|assumpte|zadeva|относно|наслов|موضوع|subyek"
)
_COPY: Final = (
    "cc|kopie|copie|copia|cópia|kopia|kopio|kopi|dw|копия|копія|másolat|κοιν|bilgi|副本|抄送|抄送人|參照|참조"
    "|עותק|نسخة"
    "|reply-to|antwort an|bcc|importance|attachments|anlagen|priority|wichtigkeit|responder a|pièces jointes"
)

LABELS: Final[dict[str, str]] = {
    label: kind
    for kind, labels in [
        ("copy", _COPY), ("subject", _SUBJECT), ("to", _TO), ("date", _DATE), ("sent", _SENT), ("from", _FROM)
    ]
    for label in labels.split("|")
}  # fmt: skip
# First labels of web forms, which hold an address and are no header of a mail.
FORM_WORDS: Final = (
    "mail", "custom", "guest", "client", "user", "name", "contact", "account", "kund", "gast", "login",
    "member", "correo", "courriel", "почт", "邮", "郵", "メール", "메일", "address", "adres", "phone",
    "kontakt", "contat", "nom", "имя", "nazwisko", "imię", "клиент", "klient", "buyer", "owner",
    "applicant", "author", "reporter", "assigned", "organi", "attend", "reply", "order", "host", "with",
    "who", "wer", "qui", "chi", "quem", "quién", "кто",
)  # fmt: skip
