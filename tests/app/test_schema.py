"""Requests that schemathesis makes up from the routes' own description bring no fault to light."""

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from small_app import TOKEN

HEADERS = {"x-maskwright-token": TOKEN, "host": "127.0.0.1"}
QUICK = settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def test_no_request_brings_out_a_fault(client, page):
    schema = schemathesis.openapi.from_asgi("/openapi.json", client.app, headers=HEADERS)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 18
    for operation in operations:

        @QUICK
        @given(case=operation.as_strategy())
        def check(case):
            answers = [client_of(client, case)]
            if "photo" in (case.path_parameters or {}):
                case.path_parameters["photo"] = page.photo  # beyond the first check
                answers.append(client_of(client, case))
            for answer in answers:
                assert answer.status_code < 500, (case, answer.text)
                kind = str(answer.headers.get("content-type"))
                if answer.status_code >= 400 and "json" in kind:
                    assert set(answer.json()) <= {"error", "holder"}

        check()


def client_of(client, case):
    return case.call(app=client.app, headers=HEADERS)
