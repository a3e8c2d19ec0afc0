"""The words that name a sign-in code in about thirty languages, and those that name other codes.

`STRICT` names a code that only proves who signs in or confirms. `SOFT` names one that shops and
airlines use too. `PLAIN` is "code" alone, which counts only near a word of `SIGN_IN`.
"""

import re
from typing import Final

# What a text must contain, in lower case, for the search to begin; found by plain string searches.
NOUNS: Final = (
    "cod", "kod", "kood", "otp", "pin", "pass", "parol", " tan", "tan:", "mtan", "-tan", "verif",
    "heslo", "sandi", "clave", "senha", "wachtwoord", "salasana", " to sign in",
    " to log in", " to confirm",
)  # fmt: skip
NOUNS_BEYOND_ASCII: Final = (
    "kód", "kôd", "cód", "contraseña", "lösenord", "hasło", "şifre", "jelsz", "код",
    "парол", "コード", "코드", "码", "碼", "รหัส", "mã ", "رمز", "كود", "کد", "קוד", "סיסמ",
    "κωδικ", "कोड", "ओटीपी", "पिन", "番号", "번호", "mật khẩu", "비밀번호", "パスワード", "ワンタイム",
    "पासवर्ड", "كلمة",
)  # fmt: skip


# Where blanks divide words: a name begins with a word.
STRICT: Final = re.compile(
    r"\b(?:"
    r"(?:verification|verify|one[- ]?time|single[- ]use|log[- ]?[io]n|sign[- ]?[iu][np]|authenticat(?:ion|or)|2fa|mfa"
    r"|two[- ](?:factor|step)(?: authentication| verification)?|identity|e-?mail|device|unlock|recovery"
    r"|password reset"
    r"|reset|temporary|registration|magic)(?:[- ](?:pass)?(?:code|pin|password|passwort|passphrase|key)s?\b| number)"
    r"|\botps?\b|\bpasscodes?\b|one[- ]time (?:security |access |login |verification )?(?:code|pass)"
    r"|\bcode (?:(?:that )?you (?:\w{2,9} ){1,3})?(?:to|for) (?:sign|log|verif|confirm|authent"
    r"|complet\w+ your (?:sign|log|regis))"
    r"|\bverification\b(?=[^a-z]{0,4}\d)"
    # German, Dutch and Scandinavian
    r"|(?:bestätigungs|verifizierungs|verifikations|einmal|anmelde|login|log-in|freischalt|registrierungs|prüf"
    r"|authentifizierungs|authentisierungs|zwei-?faktor|2fa|einmalig\w+ |temporär\w+ |e-mail-)[- ]?"
    r"(?:code|pin|passwort|kennwort|passcode|schlüssel)|\b(?:m|sms-|push|chip-?)tan\b"
    r"|\b(?:die|der|ihre|deine|eine) tan\b"
    r"|\btan(?:-nummer\b|(?= lautet|:? ?\d|: ))|code (?:zur|für die) (?:anmeld"
    r"|bestät|verif)"
    r"|(?:verificatie|inlog|eenmalige? |aanmeld|authenticatie|verifiëring|2fa-|login)[- ]?(?:code|pincode|wachtwoord)"
    r"|(?:verifierings|verifikations|verifiserings|inloggnings|innloggings|engångs|engangs|logind?-?|pålognings"
    r"|autentiserings|autentificerings|engangskode|bekræftelses|bekreftelses|bekräftelse)-?"
    r"(?:kod|pin|lösenord|adgangs|passord)"
    # French, Spanish, Portuguese, Italian, Catalan, Romanian
    r"|code (?:temporaire|unique|secret)|code (?:de |d['\u2019]|à |pour )(?:la |votre |vous )?(?:vérif|connexion"
    r"|connecter|validation|identif"
    r"|authentif|usage unique|double authentif)|mot de passe (?:à usage unique|temporaire|unique)"
    r"|c[oó]digos? de (?:un solo uso|um único uso|uso único)|c[oó]d[ií]gos? (?:de |para |único"
    r"|temporal)(?:un solo uso|su |tu |la )?(?:verificación|verificacion"
    r"|inicio|iniciar"
    r"|autenticación|validación|ingreso|ingresar|entrar|inicio de sesión|verificar|verificação|verificacao|login"
    r"|autenticação|uso único|validação|um único uso|sessão|início)|(?:clave|contraseña|senha) (?:temporal|dinámica"
    r"|de un solo uso|temporária|de uso único|única|provisória)"
    r"|codice (?:otp|monouso|temporaneo)|codice (?:di |per |d['\u2019])(?:l['\u2019]|la )?(?:verifica|accesso"
    r"|accedere|autenticazione"
    r"|login|identificazione|uso singolo)|(?:password|codice) (?:temporanea|monouso|usa e getta)"
    r"|codi (?:de |d['\u2019])(?:verificació|accés|autenticació|un sol ús)"
    r"|codul unic|cod(?:ul)?(?: tău| dvs\.?| dumneavoastră)? (?:de |pentru )(?:verificare|autentificare"
    r"|conectare|unică folosință|validare|login)"
    r"|parol\w+ (?:unică|temporar|de unică)"
    # Finnish, Estonian, Hungarian, Turkish
    r"|(?:vahvistus|kertakäyttö|kirjautumis|todennus|tunnistus|varmennus|kertakäyttöi\w+ )-?(?:koodi|salasana|tunnus)"
    r"|(?:kinnitus|sisselogimis|ühekord\w+ )-?(?:kood|parool)|(?:ellenőrző|megerősítő|egyszer használatos|egyszeri"
    r"|belépési|bejelentkezési|hitelesítő|hitelesítési|igazoló)[ -]?(?:kód|jelsz)"
    r"|(?:doğrulama|giriş|tek kullanımlık|tek seferlik|kimlik doğrulama|oturum açma)\w* (?:kod|şifre|parola|pin)"
    # Slavic and Baltic
    r"|kod\w* (?:weryfik|jednoraz|logowan|do (?:logow|zalog|weryf|potwierdz|autoryz)|autoryzac|uwierzyt)"
    r"|jednorazow\w+ (?:kod|hasł)"
    r"|has\w+ jednoraz"
    r"|(?:ověřovací|jednorázov\w+|přihlašovací|overovací|jednorazov\w+|prihlasovací|autorizační"
    r"|autentizační)\w* (?:kód|hesl|pin)"
    r"|kód (?:pro|na) (?:ověř|přihl|over|prihl)"
    r"|код\w* (?:подтвержд|проверк|авториз|для входа|входа|верифик|аутентиф|для подтв|для авториз|двухфактор"
    r"|підтвердж|перевірк|для входу|входу|за потвърж|за вход|за провер|за верифик|за пријав|за потврд)"
    r"|(?:одноразов|проверочн|разов|временн|тимчасов|еднократ|једнократ)\w+ (?:код|парол|лозинк)"
    r"|(?:verifikacijsk|potvrdn|jednokratn|kontroln|potrditven|enkratn|prijavn)\w+ (?:kod|kôd|kôd|lozink|ges)"
    r"|kod za (?:potvrdu|prijavu|verifikaciju|provjeru|prijavo)|(?:patvirtinimo|prisijungimo|vienkart\w+) (?:kod"
    r"|slapt)"
    r"|(?:apstiprin|verifik|pieteik|vienreiz)\w+ kod"
    # Greek
    r"|κωδικ\w+ (?:επαλήθευσ[ηή]ς|επιβεβαίωσ[ηή]ς|σύνδεσ[ηή]ς|μίας χρήσης|μιας χρήσης|ταυτοποίησης|μιας φοράς)"
    # Vietnamese, Indonesian, Malay
    r"|mã (?:xác minh|xác nhận|xác thực|đăng nhập|otp|dùng một lần|một lần)|mật khẩu (?:dùng )?một lần"
    r"|kode (?:verifikasi|konfirmasi|otp|masuk|login|sekali pakai|autentikasi)|(?:kata )?sandi sekali pakai"
    r"|kod (?:pengesahan|log masuk)"
    r")",
)

# Where they do not, or where articles are joined to words.
STRICT_JOINED: Final = re.compile(
    # Hebrew, Arabic, Persian
    r"קוד ה?(?:אימות|כניסה|התחברות|זיהוי|חד[- ]?פעמי)|סיסמה חד[- ]?פעמית"
    r"|(?:رمز|كود) (?:التحقق|تحقق|تسجيل|الدخول|المصادقة|لمرة واحدة|المرور لمرة|الاستخدام|التأكيد|تأكيد)"
    r"|كلمة (?:ال)?مرور (?:ال)?(?:لمرة|مؤقت)|(?:کد|رمز) (?:تأیید|تایید|ورود|یکبار|یک‌بار|پویا|عبور یکبار)"
    # Chinese, Japanese, Korean
    r"|验证码|驗證碼|校验码|動態密碼|动态(?:密码|码)|认证码|認證碼|验证代码|驗證代碼|一次性(?:密码|密碼|代码"
    r"|代碼|登录|登入)|登[录入錄](?:验证)?[码碼]"
    r"|登[录入錄]代[码碼]|(?:认证|認證|確認|确认)[码碼]"
    r"|(?:認証|確認|検証|ログイン|ワンタイム|本人確認|サインイン|二段階認証|2段階認証)(?:の|用)? ?(?:コード|番号"
    r"|パスワード|パスコード|キー|pin)|ワンタイム"
    r"|(?:인증|확인|로그인|일회용|본인 ?확인|2단계 인증) ?(?:코드|번호|비밀번호|암호|pin)"
    # Thai, Hindi
    r"|รหัส(?:ยืนยัน|\s?otp|ผ่านครั้งเดียว|ใช้ครั้งเดียว|เข้าสู่ระบบ|การยืนยัน|ผ่านแบบใช้ครั้งเดียว)"
    r"|(?:सत्यापन|पुष्टिकरण|लॉगिन|ओटीपी|वन-टाइम|वन टाइम|एकबारगी)\s?(?:कोड|पासवर्ड|पिन)|ओटीपी",
)

SOFT: Final = re.compile(
    r"\b(?:confirmation|security|activation|access|account|auth(?:ori[sz]ation)?|validation)[- ](?:code|pin|key)s?\b"
    r"|(?:sicherheits|zugangs|aktivierungs|zugriffs)-?(?:code|pin)|code (?:de |d['\u2019])(?:sécurité"
    r"|confirmation|activation|accès)"
    r"|c[oó]digo de (?:seguridad|confirmación|acceso|activación|segurança|confirmação|acesso|ativação)"
    r"|codice (?:di |d['\u2019])(?:sicurezza|conferma|attivazione)|(?:bevestigings|beveiligings|toegangs"
    r"|activerings|activatie)code"
    r"|(?:säkerhets|aktiverings|åtkomst|sikkerheds|sikkerhets|adgangs|tilgangs)-?kod|(?:turva|aktivointi)koodi"
    r"|turvakood"
    r"|kod\w* (?:potwierdz|bezpiecz|aktywac|dostęp)|(?:potvrzovací|bezpečnostní|aktivační|potvrdzovací"
    r"|bezpečnostný) kód"
    r"|код\w* (?:безопасн|доступ|актив|безпек|за сигурн|за достъп)|(?:onay|güvenlik|aktivasyon|etkinleştirme"
    r"|erişim)\w* kod"
    r"|(?:biztonsági|aktiváló|hozzáférési) ?kód|cod(?:ul)? de (?:confirmare|securitate|acces|activare)"
    r"|安全[码碼]|激活码|啟用碼"
    r"|(?:セキュリティ|アクセス|認証用)(?:コード|番号)|(?:보안|승인|접근) ?(?:코드|번호)|(?:رمز|كود) (?:الأمان"
    r"|التفعيل|الوصول)"
    r"|קוד ה?(?:אישור|אבטחה|גישה|הפעלה)|κωδικ\w+ (?:ασφαλείας|πρόσβασης|ενεργοποίησης)|mã (?:bảo mật|kích hoạt"
    r"|truy cập)"
    r"|kode (?:keamanan|aktivasi|akses)|kod keselamatan|รหัสความปลอดภัย|सुरक्षा कोड|codi de (?:seguretat|confirmació)"
    r"|(?:sigurnosn|varnostn|saugos|droš)\w* (?:kod|kôd)",
)

PLAIN: Final = re.compile(
    r"(?:^|[^\w\s] {0,3}|\b(?:the|this|that|following|a|an|use|enter|with|by|below|above|new|numeric|digits?"
    r"|secret|short|special"
    r"|unique|your(?: \w+)?|our|der|den|dem|dein|deinen|ihr|ihren|diesen|diesem|mit|\w{3,12}e[mnr]|le|ce"
    r"|votre|ton|un|du|ces"
    r"|de|deze|je|uw|dit|volgende|een|la|il|din) )codes?\b|\bkod(?:u|unu|unuz|em|en|ul|i|e|y|as|ą|s)?\b"
    r"|\bk[óô]d(?:ja|od|om|u|em|ot|ját)?\b|\bкод(?:а|ом|у"
    r"|ът|ы)?\b|コード|코드|[码碼](?!头|頭)"
    r"|\bcod(?:ul|ice|igo|i)?\b|\bc[óo]digo\b|\bpin\b|\bkoodi\w{0,3}\b|\bkood\b|\bkoden?\b|รหัส|\bmã\b"
    r"|(?:ال)?رمز|كود|\bکد\b|קוד|κωδικ\w{1,3}"
    r"|कोड|पिन|\bclave\b|\bsenha\b|パスワード|番号|번호|密[码碼]",
)

# Parts of words of signing in, in lower case, with one blank between words.
SIGN_IN: Final = (
    "sign in", "sign-in", "signin", "signing in", "sign up", "sign-up", "signup",
    "log in", "log-in", "login", "logging in", "log on", "logon", "verif", "authenti",
    "confirm your", "confirm that", "confirm it", "confirm this", "two-factor", "2fa",
    "identity", "new device", "anmeld", "einlogg", "bestätig", "registrier",
    "identität", "connexion", "connecter", "vérifi", "confirmer", "confirmez",
    "identit", "inscri", "iniciar", "inicio de ses", "verific", "confirmar", "confirme",
    "identidad", "acceder", "acceso", "ingresa", "registr", "sessão",
    "entrar", "acess", "acced", "conferm", "inlog", "aanmeld", "bevestig", "logga in",
    "logge in", "logg inn", "log ind", "logg på", "innlogg", "bekräft", "bekræft",
    "bekreft", "kirjau", "vahvist", "zalog", "logow", "potwierd", "weryfik", "přihl",
    "ověř", "potvr", "prihl", "overen", "overiť", "overeni", "вход", "войти", "войд",
    "войт", "подтверд", "увійти", "вхід", "підтверд", "влез", "потвърд", "потврд",
    "пријав", "giriş", "doğrula", "onayla", "ログイン", "確認", "認証", "サインイン", "登录", "登入",
    "登錄", "验证", "驗證", "确认", "注册", "註冊", "로그인", "인증", "확인", "가입", "تسجيل", "التحقق",
    "تأكيد", "الدخول", "כניסה", "להיכנס", "התחבר", "אימות", "לאמת", "לאשר", "σύνδεσ",
    "συνδεθ", "επιβεβαι", "επαληθ", "bejelentk", "megerősít", "belép", "conect",
    "autentific", "đăng nhập", "xác minh", "xác nhận", "xác thực", "masuk",
    "konfirmasi", "เข้าสู่ระบบ", "ยืนยัน", "लॉगिन", "सत्यापि", "साइन इन", "prijav",
    "prisijung", "ورود", "تایید", "تأیید", "sisse", "kinnita", "apstiprin", "pieslē",
)  # fmt: skip

# Parts of words of offers, and of orders and bookings: their codes are others.
OFFERS: Final = (
    "sparen ", " spar ", " spare ", "ahorra", "risparmi", "économis", "bespaar", "oszczęd", "сэконом",
    " promo", "discount", "coupon", "voucher", "gift card", "giftcard", "% off",
    "% rabat", "checkout", "referral", " sale", " deal", "gutschein", "rabatt",
    "aktionscode", "vorteils", "réduction", "remise", "parrain", "descuento", "cupón",
    "cupon", "cupom", "cupão", "desconto", "sconto", " buono", "korting", "actiecode",
    "alennus", "etukood", "kampan", " slev", "промокод", "скидк", "купон", "знижк",
    "отстъпк", "indirim", "クーポン", "割引", "プロモ", "キャンペーン", "优惠", "優惠", "折扣", "促销", "促銷",
    "쿠폰", "할인", "프로모", "خصم", "قسيمة", "كوبون", "ترويج", "קופון", "הנחה", "מבצע",
    "έκπτωσ", "κουπόνι", "προσφορ", "kupon", "kedvezm", "reducere", "giảm giá",
    "khuyến mãi", "ưu đãi", "diskon", "ส่วนลด", "คูปอง", "โปรโม", "छूट", "कूपन",
    "popust", "nuolaid", "atlaid", "soodus",
)  # fmt: skip

TRADE: Final = (
    " order", "invoice", "receipt", "booking", "reservation", "flight", "itinerary",
    "check-in ", "hotel", "tracking", "shipment", "shipping", "parcel", " delivery",
    "subtotal", "amount due", " paid ", "purchase", "bestell", "rechnung", "buchung",
    "lieferung", "sendung", "quittung", "commande", "facture", "réservation",
    "livraison", " colis", " pedido", "factura", "fatura", "reserva ", "envío",
    " ordine", "fattura", "prenotazione", "spedizione", "bestelling", "factuur",
    "boeking", "faktura", "beställning", "bokning", "bestilling", " ordre ", "tilaus",
    "varaus", " lasku", "zamówi", "rezerwac", "objednáv", "rezervac", "faktúr", "заказ",
    " счет", " счёт", "бронир", "доставк", "замовл", "рахун", "поръчк", "sipariş",
    "rezervasyon", " kargo", "注文", "予約", "請求", "領収", "配送", "订单", "訂單", "发票", "發票", "预订",
    "預訂", "快递", "物流", "주문", "예약", "영수증", "배송", "송장", "طلبك", "رقم الطلب", "الحجز",
    "فاتورة", "الشحن", "הזמנה", "חשבונית", "משלוח", "παραγγελ", "κράτησ", "τιμολόγ",
    "rendelés", "foglalás", "számla", " comand", "rezervare", "đơn hàng", "hóa đơn",
    "đặt chỗ", "đặt phòng", "đặt vé", "pesanan", "tagihan", "pemesanan", "สั่งซื้อ",
    "ใบเสร็จ", "การจอง", "ऑर्डर", "चालान", "बुकिंग", " guest", " stay ",
    "payment received", "received your payment", "thank you for your payment",
    "zahlung erhalten", "zahlungseingang", "paiement reçu", "pago recibido", "pagamento ricevuto",
    "pagamento recebido", "betaling ontvangen", "płatność otrzym", "оплата получена", "お支払いを確認",
)  # fmt: skip

OTHER_CODES: Final = re.compile(
    r"(?:zip|postal|post|area|country|sort|swift|bic|vat|tax|product|item|article|model|error|status|exit|source"
    r"|qr|bar|dress|booking|reservation|tracking"
    r"|order|customer|client|cost|reference|building|colou?r|hex|currency|airport|station|department|branch"
    r"|project|course|room|store|style|part|batch|job|survey|sample|class|chip|gate|door|ticket"
    r"|promo|voucher|coupon|discount|gift|offer|referral|approval|response|license|licence|hs|ifsc|naics"
    r"|dial(?:ling)?|unlock the|pick-?up|collection|locker|epp|auth/epp|conference|wi-?fi)[- ]?codes?\b"
    r"|(?:abhol|afhaal|ophaal|hämt|avhämtnings|hente|afhentnings|nouto)-?(?:kod|code|pin|koodi)|code de retrait"
    r"|c[óo]digo de (?:recogida|retirada|levantamento)|codice (?:di )?ritiro|kod\w* odbior"
    r"|(?:výdejní|vyzvednutí)\w* kód"
    r"|код\w* (?:для )?(?:получени|выдач|отриман)|teslim(?:at)? kod|受取番号|お受取り?コード"
    r"|\bin codes?\b|(?:lines|pieces) of code|codes? (?:name|number of|of|review|base|snippet|block|sample"
    r"|freeze|coverage)|barcode|postcode|zipcode|pin ?code"
    r"|postleitzahl|\bplz\b|postnummer"
    r"|(?:post|kunden|artikel|bestell|buchungs|fehler|länder|farb|quell|waren|sendungs|produkt|raum|tür|strich"
    r"|qr-|bank|steuer)-?(?:code|nummer)"
    r"|code (?:postal|client|article|produit|barres|à barres|banque|erreur|de réservation|de suivi|de commande"
    r"|pays|naf|ape|guichet|source)"
    r"|c[óo]digo (?:postal|de (?:barras|cliente|producto|produto|reserva|seguimiento|rastre|error|erro|pedido"
    r"|área|país)|fuente|qr)"
    r"|codice (?:postale|fiscale|cliente|prodotto|articolo|a barre|di prenotazione|di tracciamento|ordine|iban"
    r"|sdi|univoco|destinatario|errore)|\bcap\b"
    r"|kod (?:pocztow|kreskow|produktu|klienta|błędu|rezerwacji|kraju|źródł|qr)|(?:poštovní|čárov\w+"
    r"|zákaznick\w+|qr) kód|\bpsč\b"
    r"|(?:почтов|штрих|исходн)\w*[ -]?(?:код|индекс)|код (?:товар|ошибк|клиент|заказ|бронир|города|страны|отслеж|qr)"
    r"|posta kodu|ürün kodu|hata kodu|takip (?:kodu|numara)|郵便番号|電話番号|注文番号|予約番号|商品コード"
    r"|追跡番号|伝票番号|お客様番号|会員番号|請求書番号|登録番号|口座番号|受付番号|管理番号"
    r"|qrコード|qr ?코드|邮政编码|郵遞區號|邮编|二维码|條碼|条码|条形码|税号|代码库|源代码|取件码|우편번호"
    r"|전화번호|주문번호|예약번호|송장번호|운송장 ?번호|계좌번호|고객번호|사업자등록번호|회원번호|접수번호"
    r"|الرمز البريدي|رمز المنتج|رمز الحجز|رمز الطلب|מיקוד|קוד מוצר|ταχυδρομικ|κωδικός (?:προϊόντος|κράτησης"
    r"|παραγγελίας|πελάτη)|irányítószám|vonalkód"
    r"|cod (?:poștal|produs|client|de bare|fiscal)|mã (?:bưu|vận đơn|đơn hàng|sản phẩm|đặt chỗ|khách hàng"
    r"|số thuế|giảm giá)|kode (?:pos|produk|booking|pesanan)"
    r"|รหัสไปรษณีย์|รหัสสินค้า|पिन कोड|postinumero|viivakoodi|tuotekoodi|varauskoodi|(?:boknings|bookings"
    r"|artikel|kund|produkt|vare|streck|streg)-?(?:kod|nummer)",
)

# Parts of words of video and telephone conferences: their passcodes open a conference, no account.
MEETINGS: Final = (
    "meeting id", "webinar id", "conference id", "meeting number", "dial-in", "one tap mobile", "join meeting",
    "join the meeting", "besprechungs-id", "meeting-id", "réunion :", "id de réunion", "id de reunión", "id da reunião",
    "id riunione", "vergader-id", "идентификатор конференции", "ミーティングid", "会议号", "会议 id", "회의 id",
)  # fmt: skip
