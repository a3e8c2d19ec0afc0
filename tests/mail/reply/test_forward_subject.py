import pytest

from relay.mail.reply.forward import is_forward

FORWARDS = [
    "Fwd: x", "FW: x", "Fw: x", "fwd:x", "WG: x", "TR: x", "TR : x", "RV: x", "ENC: x", "I: x", "VS: x", "VL: x", "VB: x", "PD: x",
    "Doorst: x", "FS: x", "TRS: x", "İLT: x", "Továbbítás: x", "Redirecționat: x", "ΠΡΘ: x", "Chuyển tiếp: x", "הועבר: x",
    "إعادة توجيه: x", "转发: x", "转发\uff1ax", "轉寄: x", "転送: x", "전달: x", "Fwd: Re: x", "Fwd[2]: x", "[EXTERNAL] FW: x",
    "[team] [EXT] Fwd: x", "【外部】转发\uff1ax", "x (fwd)",
]  # fmt: skip
OTHERS = [
    "Re: Fwd: x", "AW: WG: x", "SV: x", "R: x", "Odp: x", "x", "", "Forward planning", "Into: the wild", "Trip: Berlin", "Vs. Berlin",
    "1: 2", "Encore: tickets", "Re: x", "回复\uff1ax", "[Fwd] news", "I am here: come", "Fwd",
]  # fmt: skip


@pytest.mark.parametrize("subject", FORWARDS)
def test_the_marks_of_forwards_are_known(subject):
    assert is_forward(subject)


@pytest.mark.parametrize("subject", OTHERS)
def test_other_subjects_are_no_forwards(subject):
    assert not is_forward(subject)
