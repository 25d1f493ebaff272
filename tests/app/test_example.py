"""GET /example: a real image of the digit that is asked for."""

import pytest


@pytest.mark.parametrize("digit", range(10))
def test_example_is_of_the_digit_that_is_asked_for(client, golden, digit):
    answer = client.get(f"/example?digit={digit}")
    assert answer.json == {"image": golden[digit].image}
    assert client.post("/predict", data=answer.data).json["prediction"] == digit


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ("digit=10", "?digit=10 is wrong, or given twice."),
        ("digit=", "?digit= is wrong, or given twice."),
        ("digits=7", "the query has 'digits', which is no parameter of this path."),
        ("digit=7&digit=8", "?digit=8 is wrong, or given twice."),
    ],
)
def test_example_says_which_there_are(client, asked, what):
    answer = client.get(f"/example?{asked}")
    assert answer.status_code == 400
    assert answer.json["error"]["code"] == "invalid_query"
    assert answer.json["error"]["message"] == f"{what} Take ?digit={' or '.join('0123456789')}."
