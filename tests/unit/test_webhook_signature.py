"""Deliveries are signed as the Standard Webhooks specification has it; a secret that is none is refused unseen."""

import base64

import pytest

from actors.webhooks.signature import headers, keys_of

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = f"whsec_{base64.b64encode(bytes(range(64))).decode()}"


def test_the_example_of_the_specification_s_own_libraries() -> None:
    told = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', keys_of(SECRET))
    assert told == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_while_a_secret_is_changed_both_sign() -> None:
    both = headers("a:1", 1, b"{}", keys_of(f"{SECRET}\n{OTHER}\n"))["webhook-signature"].split(" ")
    each = [headers("a:1", 1, b"{}", keys_of(one))["webhook-signature"] for one in (SECRET, OTHER)]
    assert both == each
    assert each[0] != each[1]


def test_whatever_is_signed_makes_another_signature() -> None:
    of = [("a:1", 1, b"{}"), ("a:2", 1, b"{}"), ("a:1", 2, b"{}"), ("a:1", 1, b"{ }")]
    assert len({headers(*one, keys_of(SECRET))["webhook-signature"] for one in of}) == len(of)


def test_without_a_secret_there_is_no_signature() -> None:
    assert headers("a:1", 7, b"{}", keys_of(" \n")) == {"webhook-id": "a:1", "webhook-timestamp": "7"}


@pytest.mark.parametrize(
    "secret",
    [
        "correct horse battery staple",
        base64.b64encode(bytes(range(32))).decode(),
        f"whsec_{base64.b64encode(bytes(23)).decode()}",
        f"whsec_{base64.b64encode(bytes(65)).decode()}",
        f"{SECRET}!",
        f"{SECRET} and more",
        "whsec_",
        "whsec_ä",
    ],
)
def test_what_is_no_secret_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 random bytes") as refusal:
        keys_of(secret)
    assert not any(word in str(refusal.value) for word in secret.split() if word not in ("and", "whsec_"))
